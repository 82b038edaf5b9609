//! How one value is read from a file or the environment, and written back for `config show`.
//!
//! A value type states what it expects and reads text; everything that is text in the file (durations, sizes, names) then
//! needs no second parser, and the messages are the same from every source.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use toml::{Spanned, de::DeValue};

use crate::domain::Glob;

/// What is wrong with one value; the reader adds the key and the place.
#[derive(Debug)]
pub(super) struct ValueError {
    pub(super) text: String,
    /// The bytes of the file that are meant, if this is narrower than the whole value (an item of a list).
    pub(super) span: Option<Range<usize>>,
}

impl ValueError {
    pub(super) fn new(text: String) -> Self {
        Self { text, span: None }
    }
}

/// A type that a key may have.
pub(super) trait Setting: Sized {
    /// Completes "expected ...".
    const EXPECTED: &'static str;

    /// Reads the text of a variable, a flag or a TOML string.
    fn parse(text: &str) -> Result<Self, ValueError>;

    /// Reads a TOML value; by default only a string will do.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, ValueError> {
        match value {
            DeValue::String(text) => Self::parse(text),
            other => Err(unexpected(other, Self::EXPECTED)),
        }
    }

    /// The value as a file would have it.
    fn to_toml(&self) -> toml::Value;

    /// Paths are relative to the file that names them; nothing else has to care.
    fn anchored(self, _base: &Path) -> Self {
        self
    }
}

/// A text inside a message: quoted, escaped, and cut, because it may be anything.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start:?}...")
}

/// The error of a TOML value of another type.
pub(super) fn unexpected(value: &DeValue<'_>, expected: &str) -> ValueError {
    let found = match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    };
    ValueError::new(format!("expected {expected}, found {found}"))
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false without quotes";

    fn parse(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|_| ValueError::new(format!("{} is neither true nor false", quoted(text))))
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, ValueError> {
        value.as_bool().ok_or_else(|| unexpected(value, Self::EXPECTED))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::Boolean(*self)
    }
}

impl Setting for u32 {
    const EXPECTED: &'static str = "a whole number without quotes";

    fn parse(text: &str) -> Result<Self, ValueError> {
        // `str::parse` would take "+5".
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.ok_or_else(|| ValueError::new(format!("{} is not a whole number up to {}", quoted(text), Self::MAX)))
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, ValueError> {
        let integer = value.as_integer().ok_or_else(|| unexpected(value, Self::EXPECTED))?;
        Self::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| ValueError::new(format!("{integer} is not a whole number from 0 to {}", Self::MAX)))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::Integer(i64::from(*self))
    }
}

/// A count for the room that reads it; written as a `u32`, so that a configuration means the same on every machine.
impl Setting for usize {
    const EXPECTED: &'static str = u32::EXPECTED;

    fn parse(text: &str) -> Result<Self, ValueError> {
        u32::parse(text).map(|number| number as Self)
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, ValueError> {
        u32::from_toml(value).map(|number| number as Self)
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "text in quotes";

    fn parse(text: &str) -> Result<Self, ValueError> {
        Ok(text.to_owned())
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.clone())
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path in quotes";

    fn parse(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() || text.contains('\0') {
            return Err(ValueError::new(format!("{} is not a path", quoted(text))));
        }
        if text.starts_with('~') {
            let error = format!("{} starts with ~, which is not expanded here: write the whole path", quoted(text));
            return Err(ValueError::new(error));
        }
        Ok(Self::from(text))
    }

    fn to_toml(&self) -> toml::Value {
        // Paths come from TOML, from UTF-8 variables and from flags that were checked to be UTF-8.
        toml::Value::String(self.to_string_lossy().into_owned())
    }

    fn anchored(self, base: &Path) -> Self {
        let path = base.join(self);
        // Fails only if the working directory was removed; the relative path then stays as it is.
        std::path::absolute(&path).unwrap_or(path)
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = r#"an address with a port such as "0.0.0.0:5000" or "[::]:5000""#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|_| ValueError::new(format!("{} is not {}", quoted(text), Self::EXPECTED)))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

impl Setting for IpNet {
    const EXPECTED: &'static str = r#"a network such as "10.0.0.0/8" or "fd00::/8""#;

    /// A single address is the network of only that address; bits behind the prefix are refused, because
    /// `10.0.0.1/8` is usually meant as something smaller than it is.
    fn parse(text: &str) -> Result<Self, ValueError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::from(address));
        }
        let network: Self =
            text.parse().map_err(|_| ValueError::new(format!("{} is not {}", quoted(text), Self::EXPECTED)))?;
        if network.trunc() == network {
            return Ok(network);
        }
        let error =
            format!("{} has bits behind its prefix: write {} or a longer prefix", quoted(text), network.trunc());
        Err(ValueError::new(error))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

impl Setting for Glob {
    const EXPECTED: &'static str = r#"a pattern of repositories such as "team/**""#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|_| ValueError::new(format!("{} is not {}", quoted(text), Self::EXPECTED)))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

/// The word for a value that is absent on purpose.
const NONE: &str = "none";

impl<T: Setting> Setting for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn parse(text: &str) -> Result<Self, ValueError> {
        if text == NONE { Ok(None) } else { T::parse(text).map(Some) }
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, ValueError> {
        if value.as_str() == Some(NONE) { Ok(None) } else { T::from_toml(value).map(Some) }
    }

    fn to_toml(&self) -> toml::Value {
        self.as_ref().map_or_else(|| toml::Value::String(NONE.to_owned()), T::to_toml)
    }

    fn anchored(self, base: &Path) -> Self {
        self.map(|value| value.anchored(base))
    }
}

/// A TOML list, or the items separated by commas.
impl<T: Setting> Setting for Vec<T> {
    const EXPECTED: &'static str = r#"a list such as ["...", "..."]"#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(T::parse).collect()
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, ValueError> {
        let items = value.as_array().ok_or_else(|| unexpected(value, Self::EXPECTED))?;
        let item = |item: &Spanned<DeValue<'_>>| {
            T::from_toml(item.get_ref()).map_err(|error| ValueError { span: Some(item.span()), ..error })
        };
        items.iter().map(item).collect()
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::Array(self.iter().map(T::to_toml).collect())
    }

    fn anchored(self, base: &Path) -> Self {
        self.into_iter().map(|value| value.anchored(base)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_toml<T: Setting>(text: &str) -> Result<T, String> {
        let value = DeValue::parse(text).unwrap();
        T::from_toml(value.get_ref()).map_err(|error| error.text)
    }

    #[test]
    fn a_type_error_says_what_was_found_and_what_is_expected() {
        for (error, found, expected) in [
            (from_toml::<bool>("\"true\"").unwrap_err(), "a string", "true or false"),
            (from_toml::<u32>("\"5\"").unwrap_err(), "a string", "whole number"),
            (from_toml::<u32>("5.0").unwrap_err(), "fraction", "whole number"),
            (from_toml::<String>("5").unwrap_err(), "found a number", "text"),
            (from_toml::<SocketAddr>("5000").unwrap_err(), "found a number", "0.0.0.0:5000"),
            (from_toml::<Vec<String>>("\"a\"").unwrap_err(), "a string", "a list"),
            (from_toml::<Vec<String>>("[1]").unwrap_err(), "found a number", "text"),
            (from_toml::<PathBuf>("[]").unwrap_err(), "a list", "path"),
            (from_toml::<bool>("{}").unwrap_err(), "a section", "true or false"),
        ] {
            assert!(error.contains(found) && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn numbers_have_bounds_and_no_signs() {
        assert_eq!(u32::parse("17").unwrap(), 17);
        assert_eq!(from_toml::<u32>("0x10"), Ok(16));
        for text in ["-1", "4294967296", "99999999999999999999"] {
            assert!(u32::parse(text).is_err() && from_toml::<u32>(text).is_err(), "{text}");
        }
        assert!(u32::parse("+1").is_err() && u32::parse("").is_err() && u32::parse(" 1").is_err());
    }

    #[test]
    fn none_is_a_word_and_lists_split_at_commas() {
        assert_eq!(Option::<u32>::parse("none").unwrap(), None);
        assert_eq!(from_toml::<Option<u32>>("7"), Ok(Some(7)));
        assert_eq!(from_toml::<Option<u32>>("\"none\""), Ok(None));
        assert_eq!(Vec::<u32>::parse("1, 2,3,").unwrap(), [1, 2, 3]);
        assert!(Vec::<u32>::parse("").unwrap().is_empty());
    }

    #[test]
    fn a_network_is_whole_or_one_address() {
        assert_eq!(IpNet::parse("10.0.0.7").unwrap().to_string(), "10.0.0.7/32");
        assert_eq!(IpNet::parse("fd00::/8").unwrap().to_string(), "fd00::/8");
        assert!(IpNet::parse("10.0.0.1/8").unwrap_err().text.contains("10.0.0.0/8"));
        assert!(IpNet::parse("10.0.0.0/33").is_err());
    }

    #[test]
    fn paths_are_anchored_and_never_expanded() {
        let path = PathBuf::parse("keys/tls.pem").unwrap();
        assert_eq!(path.anchored(Path::new("/etc/portcullis")), Path::new("/etc/portcullis/keys/tls.pem"));
        let path = PathBuf::parse("/srv/tls.pem").unwrap();
        assert_eq!(path.anchored(Path::new("/etc/portcullis")), Path::new("/srv/tls.pem"));
        assert!(PathBuf::parse("~/tls.pem").unwrap_err().text.contains("not expanded"));
        assert!(PathBuf::parse("").is_err() && PathBuf::parse("a\0b").is_err());
    }

    #[test]
    fn a_message_quotes_little_of_a_long_text() {
        let error = u32::parse(&"é".repeat(10_000)).unwrap_err().text;
        assert!(error.len() < 300, "{error}");
    }
}
