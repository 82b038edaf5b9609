//! A name that a certificate may carry: a host name or an address, parsed once, compared by value afterwards.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::domain::HostName;
use crate::pki::error::PkiError;

/// A host name (lower case, without a trailing dot) or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectName {
    /// A host name in ASCII, such as `registry.test`. No wildcards: our own certificates name hosts.
    Dns(String),
    /// An address; IPv4-mapped IPv6 addresses are kept as IPv4.
    Ip(IpAddr),
}

impl SubjectName {
    /// Whether a name constraint on `self` covers `name`: the same address, the same host, or a host below it.
    pub(crate) fn covers(&self, name: &Self) -> bool {
        match (self, name) {
            (Self::Ip(base), Self::Ip(ip)) => base == ip,
            (Self::Dns(base), Self::Dns(host)) => {
                host.strip_suffix(base.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        }
    }
}

impl From<&HostName> for SubjectName {
    fn from(host: &HostName) -> Self {
        match host {
            HostName::Dns(name) => Self::Dns(name.clone()),
            HostName::Address(address) => Self::Ip(*address),
        }
    }
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(host) => f.write_str(host),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl FromStr for SubjectName {
    type Err = PkiError;

    /// Parses a host name or an address; IPv6 with or without brackets. Ports, zones and wildcards are refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| PkiError::BadName { name: text.to_owned(), reason };
        let bracketed = text.strip_prefix('[').map(|rest| rest.strip_suffix(']').ok_or(rest));
        match bracketed {
            Some(Ok(inner)) => {
                return match inner.parse::<std::net::Ipv6Addr>() {
                    Ok(ip) => Ok(Self::Ip(IpAddr::V6(ip).to_canonical())),
                    Err(_) => Err(refuse("brackets hold an IPv6 address")),
                };
            }
            Some(Err(_)) => {
                return Err(refuse("the closing bracket is missing or a port follows; give the address alone"));
            }
            None => {}
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        let host = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        check_host(&host).map_err(refuse)?;
        Ok(Self::Dns(host))
    }
}

/// RFC 1123 host names, with the underscore that real networks use.
fn check_host(host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Err("it is empty");
    }
    if host.len() > 253 {
        return Err("it is longer than 253 characters");
    }
    if host.contains(':') {
        return Err("give the host alone, without a port or scheme");
    }
    if host.contains('*') {
        return Err("wildcards are not supported; names below a name of the authority need no wildcard");
    }
    for label in host.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err("each part between dots has 1 to 63 characters");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a part must not begin or end with a hyphen");
        }
        if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err("use ASCII letters, digits, hyphens and dots (international names in their xn-- form)");
        }
    }
    let last = host.rsplit('.').next().unwrap_or(host);
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err("the last part must not be a number");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_hosts_and_addresses() {
        let cases = [
            ("LOCALHOST", "localhost"),
            ("Build1.LAN.", "build1.lan"),
            ("192.168.1.20", "192.168.1.20"),
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("my_host", "my_host"),
        ];
        for (text, wanted) in cases {
            assert_eq!(text.parse::<SubjectName>().unwrap().to_string(), wanted);
        }
    }

    #[test]
    fn refuses_what_is_no_name() {
        let long = "a.".repeat(127) + "aa";
        let bad = [
            "",
            ".",
            "a..b",
            "-a",
            "a-",
            "*.lan",
            "host:5000",
            "[::1]:5000",
            "[::1",
            "[host]",
            "1.2.3",
            "bücher",
            "a b",
            &long,
        ];
        for text in bad {
            assert!(text.parse::<SubjectName>().is_err(), "{text}");
        }
    }

    #[test]
    fn covers_itself_and_what_lies_below() {
        let base: SubjectName = "registry.test".parse().unwrap();
        let covers = |text: &str| base.covers(&text.parse().unwrap());
        assert!(covers("registry.test") && covers("a.registry.test") && covers("a.b.registry.test"));
        assert!(!covers("xregistry.test") && !covers("test") && !covers("10.0.0.1"));
    }
}
