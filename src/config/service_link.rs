//! Variables that Kubernetes (and Docker's old links) set for the services around a container.
//!
//! A service called `portcullis` or `portcullis-server` makes variables that begin like ours, and such a name must not stop a start.
//! The names are recognised by their endings together with their values, so that `PORTCULLIS_SERVER_PORT=5000`, which someone wrote, is
//! still an error that names `server.listen`.

use std::net::IpAddr;

/// Whether an orchestrator has set the variable.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") {
        return is_host(value);
    }
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return is_port(value);
    }
    // FOO_PORT, and for each port FOO_PORT_5000_TCP with three that end in one of its parts.
    if name.ends_with("_PORT") && is_url(value) {
        return true;
    }
    let Some((_, ending)) = name.rsplit_once("_PORT_") else { return false };
    let mut parts = ending.split('_');
    let (number, protocol, part) = (parts.next(), parts.next(), parts.next());
    let is_one = number.is_some_and(is_port) && protocol.is_some_and(is_protocol) && parts.next().is_none();
    is_one
        && match part {
            None => is_url(value),
            Some("PROTO") => is_protocol(&value.to_ascii_uppercase()),
            Some("PORT") => is_port(value),
            Some("ADDR") => is_host(value),
            Some(_) => false,
        }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

fn is_protocol(text: &str) -> bool {
    matches!(text, "TCP" | "UDP" | "SCTP")
}

fn is_host(text: &str) -> bool {
    text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// `tcp://10.0.0.1:5000`
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let host_and_port = rest.rsplit_once(':');
    is_protocol(&scheme.to_ascii_uppercase())
        && host_and_port.is_some_and(|(host, port)| is_host(host) && is_port(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Kubernetes sets for a service with one port of this name.
    fn links(service: &str) -> Vec<(String, &'static str)> {
        [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "5000"),
            ("SERVICE_PORT_HTTPS", "5000"),
            ("PORT", "tcp://10.0.0.1:5000"),
            ("PORT_5000_TCP", "tcp://10.0.0.1:5000"),
            ("PORT_5000_TCP_PROTO", "tcp"),
            ("PORT_5000_TCP_PORT", "5000"),
            ("PORT_5000_TCP_ADDR", "10.0.0.1"),
        ]
        .into_iter()
        .map(|(end, value)| (format!("{service}_{end}"), value))
        .collect()
    }

    #[test]
    fn links_of_every_service_are_known() {
        for service in
            ["PORTCULLIS", "PORTCULLIS_SERVER", "PORTCULLIS_LOG", "PORTCULLIS_AUTH", "PORTCULLIS_SERVER_PORT"]
        {
            for (name, value) in links(service) {
                assert!(is_service_link(&name, value), "{name}={value}");
            }
        }
        assert!(is_service_link("PORTCULLIS_PORT", "tcp://[fd00::1]:5000"));
    }

    #[test]
    fn what_someone_wrote_is_not_a_link() {
        for (name, value) in [
            ("PORTCULLIS_SERVER_PORT", "5000"),
            ("PORTCULLIS_PORT", "5000"),
            ("PORTCULLIS_SERVER_SERVICE_HOST", "registry.test"),
            ("PORTCULLIS_SERVER_PORT_X", "tcp://10.0.0.1:5000"),
            ("PORTCULLIS_PORT", "http://10.0.0.1:5000"),
            ("PORTCULLIS_HOST", "10.0.0.1"),
            ("PORTCULLIS_AUTH_SERVICE", "registry"),
        ] {
            assert!(!is_service_link(name, value), "{name}={value}");
        }
    }
}
