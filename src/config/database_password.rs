//! The password of a database server: taken from the environment alone, and never shown.

use std::fmt;

use toml::de::DeValue;
use zeroize::Zeroizing;

use super::setting::{Setting, ValueError};

/// A password, as far as it may be told: that there is one.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabasePassword(Zeroizing<String>);

impl DatabasePassword {
    /// The password itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabasePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Setting for DatabasePassword {
    const EXPECTED: &'static str = "nothing here: it is taken from the environment alone";

    fn parse(text: &str) -> Result<Self, ValueError> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    fn from_toml(_: &DeValue<'_>) -> Result<Self, ValueError> {
        // Not quoted: the password must not be shown.
        let error = "a password must not be in the configuration file: write it into a file of its own and name that by \
                     database.password_file, or set the environment variable PORTCULLIS_DATABASE_PASSWORD";
        Err(ValueError::new(error.to_owned()))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String("(hidden)".to_owned())
    }
}
