//! A host with an optional port, as image references begin with.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::host_name::is_dns_name;

/// `NAME`, `NAME:PORT`, `ADDRESS[:PORT]` or `[IPV6]:PORT`, made of characters that are safe in a path and in a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: Option<u16>,
}

/// Why a text is not a host with an optional port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is an invalid HOST[:PORT]: write a host name or an address, and a port from 1 to 65535")]
pub struct InvalidHostPort(String);

impl HostPort {
    /// The host alone; an IPv6 address in its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host without brackets.
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The host, if it is an address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.bare_host().parse().ok()
    }

    /// The port, if one was written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// `HOST:PORT`, with `port` where none was written.
    pub fn with_default_port(&self, port: u16) -> String {
        format!("{}:{}", self.host, self.port.unwrap_or(port))
    }
}

impl FromStr for HostPort {
    type Err = InvalidHostPort;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidHostPort(text.to_owned());
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let port: u16 = port.parse().map_err(|_| invalid())?;
                (host, Some(port))
            }
            _ => (text, None),
        };
        if port == Some(0) || !is_host(host) {
            return Err(invalid());
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn with_port(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// As in a [`HostName`](super::HostName), with brackets around IPv6, and with the underscores that real networks use.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(bare) => bare.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok() || is_dns_name(&host.replace('_', "-")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_ports() {
        for text in ["registry.test", "registry.test:5000", "10.0.0.1:5000", "[fd00::1]:5000", "[::1]", "a", "my_host"]
        {
            assert_eq!(text.parse::<HostPort>().map(|h| h.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("r.test".parse::<HostPort>().map(|h| h.with_default_port(5000)), Ok("r.test:5000".to_owned()));
    }

    #[test]
    fn what_could_escape_a_path_or_a_shell_line_is_refused() {
        for text in [
            "",
            ":5000",
            "a:0",
            "a:65536",
            "a:x",
            "a/b",
            "../x",
            "a b",
            "a'b",
            "a;b",
            "$(x)",
            "::1",
            "a..b",
            "-x",
            "https://a",
            "a-",
            "1.2.3",
            "[10.0.0.1]",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_ipv6_address_gets_brackets_before_a_port() {
        assert_eq!(with_port("fd00::1", 5000), "[fd00::1]:5000");
        assert_eq!(with_port("r.test", 5000), "r.test:5000");
    }
}
