//! The name of a user, group or robot: one component of a repository name, because a user owns `NAME/**`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::domain::oci::repository_name::is_path_component;

/// The longest account name, in bytes.
pub const MAX_LENGTH: usize = 64;

/// The name of a user, group or robot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(Arc<str>);

/// A text that is not an account name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an account name has 1 to {MAX_LENGTH} lower-case letters and digits, with single '.', '_', '__' or dashes between them"
)]
pub struct InvalidAccountName;

/// Words that mean something else where a name could be written, or could be taken for it. An account of before keeps its name.
const RESERVED: [&str; 8] = ["all", "anonymous", "authenticated", "everyone", "group", "robot", "system", "user"];

impl AccountName {
    /// Whether no new account may have this name.
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.as_str())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = InvalidAccountName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= MAX_LENGTH && is_path_component(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidAccountName)
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_everyone_is_reserved() {
        let reserved = |name: &str| name.parse::<AccountName>().expect("a name").is_reserved();
        assert!(reserved("anonymous") && reserved("authenticated") && !reserved("alice") && !reserved("admin"));
    }

    #[test]
    fn an_account_name_is_one_path_component() {
        assert!("alice".parse::<AccountName>().is_ok());
        assert!("build-bot.2".parse::<AccountName>().is_ok());
        for name in ["", "a/b", "Alice", "a:b", "alice ", &"a".repeat(65)] {
            assert_eq!(name.parse::<AccountName>(), Err(InvalidAccountName), "{name:?}");
        }
    }
}
