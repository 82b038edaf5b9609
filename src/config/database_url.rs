//! The address of a database server.

use std::fmt;
use std::net::IpAddr;

use toml::de::DeValue;
use url::Url;
use zeroize::Zeroizing;

use super::setting::{Setting, ValueError, quoted, unexpected};

/// `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=...]`. Where it is shown, it has no password; in a file it must not have one.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    url: Url,
    /// The same with its password, if it has one.
    secret: Option<Zeroizing<String>>,
}

impl DatabaseUrl {
    /// The address without its password.
    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether it asks for a protection that anyone in between can switch off, over a network.
    pub(super) fn is_protected_in_vain(&self) -> bool {
        let value = |name: &str| self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
        let mode = value("sslmode").or_else(|| value("ssl-mode"));
        let host = value("host").or_else(|| value("hostaddr")).or_else(|| self.url.host_str().map(Into::into));
        let host = host.unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_here = host.is_empty() || host.starts_with('/') || host.starts_with("%2F") || host == "localhost";
        let is_here = is_here || address.is_ok_and(|address| address.is_loopback());
        !is_here && mode.is_some_and(|mode| ["allow", "prefer"].contains(&&*mode))
    }

    /// The address with its password, for connecting and nothing else.
    pub(crate) fn expose(&self) -> &str {
        self.secret.as_ref().map_or(self.as_str(), |secret| secret.as_str())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl Setting for DatabaseUrl {
    const EXPECTED: &'static str =
        r#"an address such as "postgres://portcullis@db.example.com/portcullis?sslmode=verify-full""#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
        let Some(mut url) = url else {
            // What is not an address is shown as far as it can contain no password.
            let shown = if text.contains('@') { "this".to_owned() } else { quoted(text) };
            return Err(ValueError::new(format!("{shown} is not {}", Self::EXPECTED)));
        };
        if url.query_pairs().any(|(key, _)| key == "password") {
            let error = "the password stands after the ?, where it is shown: write it as USER:PASSWORD@, or into a file \
                         that database.password_file names";
            return Err(ValueError::new(error.to_owned()));
        }
        let secret = url.password().is_some().then(|| Zeroizing::new(url.to_string()));
        if url.set_password(None).is_err() && secret.is_some() {
            return Err(ValueError::new("the address cannot have a password: it names no host".to_owned()));
        }
        if url.path().trim_matches('/').is_empty() && !url.query_pairs().any(|(key, _)| key == "dbname") {
            return Err(ValueError::new(format!(
                "{} names no database: write {}",
                quoted(url.as_str()),
                Self::EXPECTED
            )));
        }
        Ok(Self { url, secret })
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, ValueError> {
        let DeValue::String(text) = value else { return Err(unexpected(value, Self::EXPECTED)) };
        let url = Self::parse(text)?;
        if url.secret.is_some() {
            let error = "the address contains a password: write it into a file of its own and name that by \
                         database.password_file, or set the environment variable PORTCULLIS_DATABASE_PASSWORD";
            return Err(ValueError::new(error.to_owned()));
        }
        Ok(url)
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_database() {
        for text in [
            "postgres://u@db/name",
            "postgresql://db:5433/name?sslmode=verify-full",
            "postgres:///name?host=/run/postgresql",
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap().as_str(), text);
        }
        for (text, why) in [
            ("", "is not an address"),
            ("db/name", "is not an address"),
            ("mysql://u:secret@db/name", "is not an address"),
            ("postgres://u:secret@db", "names no database"),
            ("postgres://u@db/name?password=secret", "database.password_file"),
        ] {
            let error = DatabaseUrl::parse(text).unwrap_err().text;
            assert!(error.contains(why) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn a_protection_that_anyone_in_between_can_switch_off_is_told_apart() {
        for (text, in_vain) in [
            ("postgres://db/name", false),
            ("postgres://db/name?sslmode=verify-full", false),
            ("postgres://db/name?sslmode=disable", false),
            ("postgres://db/name?sslmode=prefer", true),
            ("postgres://10.0.0.1/name?sslmode=allow", true),
            ("postgres://localhost/name?sslmode=prefer", false),
            ("postgres://[::1]/name?sslmode=prefer", false),
            ("postgres:///name?host=/run/postgresql&sslmode=prefer", false),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap().is_protected_in_vain(), in_vain, "{text}");
        }
    }

    #[test]
    fn a_password_is_taken_from_the_environment_alone_and_is_never_shown() {
        let text = "postgres://u:s%65cret@db/name";
        let url = DatabaseUrl::parse(text).unwrap();
        assert_eq!(url.expose(), text);
        assert_eq!(url.to_string(), "postgres://u@db/name");
        assert!(!format!("{url:?} {:?}", url.to_toml()).contains("cret"));
        let in_a_file = DatabaseUrl::from_toml(&DeValue::String(text.into())).unwrap_err().text;
        assert!(in_a_file.contains("database.password_file") && !in_a_file.contains("cret"), "{in_a_file}");
    }
}
