//! A name under which clients reach this registry: what ends up in its certificate.

use std::{fmt, net::IpAddr, str::FromStr};

/// Longest DNS name and longest label (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// A DNS name in lower case, or an IP address; never a port, a scheme or a wildcard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostName {
    /// A DNS name, lower case, without a trailing dot.
    Dns(String),
    /// An address of either family, written without brackets.
    Address(IpAddr),
}

impl HostName {
    /// What a value must be, for messages.
    pub const EXPECTED: &'static str = r#"a host name or an address such as "registry.example.com" or "192.168.1.20""#;
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for HostName {
    type Err = String;

    /// The one rule for names that an operator gives, wherever they are written. The error says what is wrong with the text.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let quoted = || quoted(text);
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse() {
            return match unreachable(address) {
                None => Ok(Self::Address(address)),
                Some(reason) => Err(format!("{} {reason}", quoted())),
            };
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let hint = if text.contains("://") {
            "leave out the scheme"
        } else if text.contains(':') {
            "leave out the port"
        } else if text.contains('*') {
            "name each host; wildcards are not supported"
        } else if text.contains('_') && is_dns_name(&name.replace('_', "-")) {
            "image names cannot hold an underscore in the registry's host; give it a name without one"
        } else if is_dns_name(name) {
            return Ok(Self::Dns(name.to_ascii_lowercase()));
        } else {
            return Err(format!("{} is not {}", quoted(), Self::EXPECTED));
        };
        Err(format!("{} is not {}: {hint}", quoted(), Self::EXPECTED))
    }
}

/// A text inside a message: quoted, escaped, and cut, because it may be anything.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let start: String = text.chars().take(SHOWN).collect();
    if start.len() == text.len() { format!("{text:?}") } else { format!("{start:?}...") }
}

/// Why no client uses this address for a registry.
fn unreachable(address: IpAddr) -> Option<&'static str> {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() {
        return Some(
            "means every address to listen on, and no client connects to it: give the names and addresses that clients use, or none \
             for this machine's own (the address to listen on is server.listen, --listen)",
        );
    }
    (address.is_multicast() || is_broadcast).then_some("is a group of machines: give the address of this one")
}

/// Letters, digits, hyphens inside a label; the last label must not look like a number, or `1.2.3` and `300.1.1.1`
/// would pass for names.
pub(super) fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    name.len() <= LONGEST_NAME && name.split('.').all(label) && !name.split('.').next_back().is_some_and(numeric)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_names_and_addresses() {
        for (text, expected) in [
            ("localhost", "localhost"),
            ("Registry.Example.COM.", "registry.example.com"),
            ("build1.lan", "build1.lan"),
            ("192.168.1.20", "192.168.1.20"),
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().to_string(), expected);
        }
        assert!(matches!("10.0.0.1".parse(), Ok(HostName::Address(_))));
    }

    #[test]
    fn says_what_does_not_belong_to_a_name() {
        for (text, hint) in [
            ("https://registry.test", "scheme"),
            ("registry.test:5000", "port"),
            ("*.test", "wildcards"),
            ("", "is not a host name"),
            ("a..b", "is not a host name"),
            ("-a.test", "is not a host name"),
            ("bücher.test", "is not a host name"),
            ("300.1.1.1", "is not a host name"),
            ("a b", "is not a host name"),
            ("my_host", "underscore"),
            ("0.0.0.0", "clients use"),
            ("[::]", "clients use"),
            ("::", "--listen"),
            ("224.0.0.1", "group"),
            ("255.255.255.255", "group"),
        ] {
            let error = text.parse::<HostName>().unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
        assert!("a".repeat(64).parse::<HostName>().is_err());
        assert!(["a"; 130].join(".").parse::<HostName>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_accepted_reads_back(text in "[a-zA-Z0-9.:\\[\\]-]{0,20}") {
            if let Ok(host) = text.parse::<HostName>() {
                prop_assert_eq!(host.to_string().parse::<HostName>().unwrap(), host);
            }
        }
    }
}
