//! The address of a database server.

use std::fmt;

use url::Url;

use super::setting::{Setting, ValueError, quoted};

/// `postgres://USER@HOST[:PORT]/DATABASE[?sslmode=...]`. It holds no password: it is shown, and logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Url);

impl DatabaseUrl {
    /// The whole address.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Setting for DatabaseUrl {
    const EXPECTED: &'static str =
        r#"an address such as "postgres://portcullis@db.example.com/portcullis?sslmode=verify-full""#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
        let Some(url) = url else {
            return Err(ValueError::new(format!("{} is not {}", quoted(text), Self::EXPECTED)));
        };
        if url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password") {
            // Not quoted: the password must not be shown.
            let error =
                "the address contains a password: write it into a file of its own, and set database.password_file";
            return Err(ValueError::new(error.to_owned()));
        }
        if url.path().trim_matches('/').is_empty() && !url.query_pairs().any(|(key, _)| key == "dbname") {
            return Err(ValueError::new(format!("{} names no database: write {}", quoted(text), Self::EXPECTED)));
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
    fn an_address_names_a_database_and_no_password() {
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
            ("mysql://db/name", "is not an address"),
            ("postgres://u@db", "names no database"),
            ("postgres://u:secret@db/name", "database.password_file"),
            ("postgres://u@db/name?password=secret", "database.password_file"),
        ] {
            let error = DatabaseUrl::parse(text).unwrap_err().text;
            assert!(error.contains(why) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
