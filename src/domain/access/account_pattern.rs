//! How a user's name appears in a longer text, such as the mail address in a certificate. No regular expression: what precedes
//! and what follows the name is fixed, so there is one way to read a text, or none.

use std::fmt;
use std::str::FromStr;

use crate::domain::AccountName;

/// Where the name stands.
const HOLE: &str = "{user}";
/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 255;

/// A text with one `{user}` in it, matched from the first character to the last, capitals told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPattern {
    before: String,
    after: String,
}

/// A text that is not such a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("takes up to {MAX_LENGTH} visible ASCII characters with {HOLE} exactly once among them")]
pub struct InvalidAccountPattern;

impl AccountPattern {
    /// The whole text is the name.
    pub fn whole() -> Self {
        Self { before: String::new(), after: String::new() }
    }

    /// The name in `text`; `None` where the text has another form, or what is in the name's place is not a name.
    pub fn find(&self, text: &str) -> Option<AccountName> {
        text.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?.parse().ok()
    }
}

impl FromStr for AccountPattern {
    type Err = InvalidAccountPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (before, after) = text.split_once(HOLE).ok_or(InvalidAccountPattern)?;
        let plain = text.len() <= MAX_LENGTH && text.bytes().all(|b| b.is_ascii_graphic());
        if !plain || after.contains(HOLE) {
            return Err(InvalidAccountPattern);
        }
        Ok(Self { before: before.to_owned(), after: after.to_owned() })
    }
}

impl fmt::Display for AccountPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{HOLE}{}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pattern: &str, text: &str) -> Option<String> {
        pattern.parse::<AccountPattern>().unwrap().find(text).map(|name| name.to_string())
    }

    #[test]
    fn a_name_is_found_in_its_place_and_nowhere_else() {
        assert_eq!(find("{user}", "alice").as_deref(), Some("alice"));
        assert_eq!(find("{user}@example.com", "alice@example.com").as_deref(), Some("alice"));
        assert_eq!(find("spiffe://example/{user}", "spiffe://example/alice").as_deref(), Some("alice"));
        assert_eq!(find("a{user}a", "aba").as_deref(), Some("b"));
        for text in [
            "",
            "@example.com",
            "alice@example.com.evil.test",
            "alice@evil.test@example.com",
            "alice@example.com ",
            " alice@example.com",
            "Alice@example.com",
            "alice@EXAMPLE.com",
            "alice\0@example.com",
            "alice@exampleXcom",
            "*@example.com",
            "älice@example.com",
            "a/b@example.com",
        ] {
            assert_eq!(find("{user}@example.com", text), None, "{text:?}");
        }
        for text in ["aa", "a", "", "xba"] {
            assert_eq!(find("a{user}a", text), None, "{text:?}");
        }
        assert_eq!(find("{user}", &"a".repeat(65)), None);
    }

    #[test]
    fn a_pattern_has_one_place_for_the_name() {
        for text in
            ["", "alice", "{user}{user}", "{USER}", "{user} x", "{user}ä", &format!("{{user}}{}", "x".repeat(255))]
        {
            assert_eq!(text.parse::<AccountPattern>(), Err(InvalidAccountPattern), "{text:?}");
        }
        assert_eq!("{user}@a.test".parse::<AccountPattern>().unwrap().to_string(), "{user}@a.test");
        assert_eq!("{user}".parse(), Ok(AccountPattern::whole()));
    }
}
