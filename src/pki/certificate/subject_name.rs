//! A name that a certificate may carry: a host name or an address, parsed once, compared by value afterwards.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::domain::net::HostName;
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

    /// Parses a host name or an address, as [`HostName`] does, and more: a certificate may also hold addresses that no client uses, and
    /// real networks have names with an underscore. Ports, zones and wildcards are refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        match text.replace('_', "-").parse() {
            Ok(HostName::Dns(_)) => Ok(Self::Dns(text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase())),
            Ok(HostName::Address(ip)) => Ok(Self::Ip(ip.to_canonical())),
            Err(reason) => Err(PkiError::InvalidName { reason }),
        }
    }
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
    fn refuses_invalid_names() {
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
    fn covers_itself_and_hosts_below() {
        let base: SubjectName = "registry.test".parse().unwrap();
        let covers = |text: &str| base.covers(&text.parse().unwrap());
        assert!(covers("registry.test") && covers("a.registry.test") && covers("a.b.registry.test"));
        assert!(!covers("xregistry.test") && !covers("test") && !covers("10.0.0.1"));
    }
}
