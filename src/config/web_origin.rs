//! An origin of the web: the site that a page belongs to.

use std::fmt;

use super::setting::{Setting, ValueError, quoted};
use crate::domain::net::host_port::HostPort;

/// `SCHEME://HOST[:PORT]`, as browsers write it in `Origin` (RFC 6454, section 6.2): lower case, without the scheme's own port, without
/// a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin(String);

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Setting for WebOrigin {
    const EXPECTED: &'static str =
        r#"an origin such as "https://ui.example.com" or "http://localhost:8080", without a path"#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        let error = || ValueError::new(format!("{} is not {}", quoted(text), Self::EXPECTED));
        let (scheme, host) = text.split_once("://").ok_or_else(error)?;
        let own_port = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return Err(error()),
        };
        let host: HostPort = host.parse().map_err(|_| error())?;
        let host = host.to_string();
        Ok(Self(format!("{scheme}://{}", host.strip_suffix(own_port).unwrap_or(&host))))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for (text, shown) in [
            ("https://UI.example.com", "https://ui.example.com"),
            ("https://ui.example.com:443", "https://ui.example.com"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://localhost:443", "http://localhost:443"),
        ] {
            assert_eq!(WebOrigin::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "*", "null", "ui.example.com", "https://*", "https://a/", "ftp://a", "https://u@a", "file://a"]
        {
            assert!(WebOrigin::parse(text).unwrap_err().text.contains("origin"), "{text}");
        }
    }
}
