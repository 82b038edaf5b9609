//! A host with an optional port, as image references begin with.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// `NAME`, `NAME:PORT`, `ADDRESS[:PORT]` or `[IPV6]:PORT`, made of characters that are safe in a path and in a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: Option<u16>,
}

/// A text that names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no HOST[:PORT]: write a host name or an address, and a port from 1 to 65535")]
pub struct InvalidHostPort(String);

impl HostPort {
    /// The host alone; an IPv6 address in its brackets.
    pub fn host(&self) -> &str {
        &self.host
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
        let is_ipv6 = || host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(is_ipv6_address);
        let is_name = !host.is_empty()
            && host
                .split('.')
                .all(|label| !label.is_empty() && !label.starts_with('-') && label.bytes().all(is_label_byte));
        if port == Some(0) || host.len() > 253 || !(is_name || is_ipv6()) {
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

fn is_ipv6_address(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_ports() {
        for text in ["registry.test", "registry.test:5000", "10.0.0.1:5000", "[fd00::1]:5000", "[::1]", "a"] {
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
