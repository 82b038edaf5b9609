//! The address of an object store.

use std::fmt;

use url::{Host, Url};

use super::setting::{Setting, ValueError, quoted};

/// `https://HOST[:PORT]`, or `http://`, which is another setting's to allow. Without a path: objects are named there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl(Url);

impl EndpointUrl {
    /// Whether it is spoken to without TLS.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

/// Without a slash at its end.
impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl Setting for EndpointUrl {
    const EXPECTED: &'static str = r#"an address such as "https://s3.example.com" or "https://s3.example.com:9000""#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            return Err(ValueError::new(format!("{} is not {}", quoted(text), Self::EXPECTED)));
        };
        if !url.username().is_empty() || url.password().is_some() {
            // Not quoted: a secret must not be shown.
            let error = "the address contains credentials: write them into files, and set blobs.s3.access_key_file and \
                         blobs.s3.secret_key_file";
            return Err(ValueError::new(error.to_owned()));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            let error = format!("{} has more than a host and a port: write {}", quoted(text), Self::EXPECTED);
            return Err(ValueError::new(error));
        }
        Ok(Self(url))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_no_more() {
        for (text, plain, loopback) in [
            ("https://s3.example.com", false, false),
            ("https://s3.example.com:9000/", false, false),
            ("http://127.0.0.1:8014", true, true),
            ("http://[::1]:8014", true, true),
            ("http://localhost", true, true),
            ("http://10.0.0.1", true, false),
        ] {
            let url = EndpointUrl::parse(text).unwrap();
            assert_eq!((url.is_plain(), url.is_loopback()), (plain, loopback), "{text}");
            assert_eq!(url.to_string(), text.trim_end_matches('/'));
        }
        for text in ["", "s3.example.com", "ftp://a", "https://a/b", "https://a?b", "https://", "https://a#b"] {
            assert!(EndpointUrl::parse(text).unwrap_err().text.contains("https://s3.example.com"), "{text}");
        }
        let error = EndpointUrl::parse("https://key:secret@a").unwrap_err().text;
        assert!(error.contains("access_key_file") && !error.contains("secret@"), "{error}");
    }
}
