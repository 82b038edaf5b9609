//! The address under which clients reach the registry, for a registry behind a proxy.

use std::fmt;

use super::setting::{Setting, ValueError, quoted};
use crate::domain::net::host_port::HostPort;

/// `https://HOST[:PORT]`: never plain HTTP, because passwords are sent there; no path, because clients have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(HostPort);

impl PublicUrl {
    /// The host, with the port if one is written.
    pub(crate) fn host(&self) -> &HostPort {
        &self.0
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.0)
    }
}

impl Setting for PublicUrl {
    const EXPECTED: &'static str =
        r#"an address such as "https://registry.example.com" or "https://registry.example.com:5000""#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        let host = text.strip_prefix("https://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let host = host.and_then(|host| host.parse().ok());
        host.map(Self).ok_or_else(|| ValueError::new(format!("{} is not {}", quoted(text), Self::EXPECTED)))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_and_has_no_path() {
        for (text, shown) in [
            ("https://registry.example.com", "https://registry.example.com"),
            ("https://registry.example.com/", "https://registry.example.com"),
            ("https://[fd00::1]:5000", "https://[fd00::1]:5000"),
        ] {
            assert_eq!(PublicUrl::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "registry.example.com", "http://a", "https://", "https://a/b", "https://u@a", "https://a:0"] {
            assert!(PublicUrl::parse(text).unwrap_err().text.contains("https://registry.example.com"), "{text}");
        }
    }
}
