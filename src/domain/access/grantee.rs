//! Who a grant is given to.

use std::fmt;
use std::str::FromStr;

use crate::domain::AccountName;

/// The receiver of a grant, as written on the command line and in the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grantee {
    /// `user:NAME`.
    User(AccountName),
    /// `group:NAME`.
    Group(AccountName),
    /// `robot:NAME`.
    Robot(AccountName),
    /// `authenticated`: everyone who has logged in.
    Authenticated,
    /// `anonymous`: everyone, logged in or not.
    Anonymous,
}

/// A text that names no grantee.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown grantee '{0}': write user:NAME, group:NAME, robot:NAME, authenticated or anonymous")]
pub struct InvalidGrantee(String);

impl FromStr for Grantee {
    type Err = InvalidGrantee;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidGrantee(text.to_owned());
        let (kind, name) = match text {
            "authenticated" => return Ok(Self::Authenticated),
            "anonymous" => return Ok(Self::Anonymous),
            _ => text.split_once(':').ok_or_else(invalid)?,
        };
        let name: AccountName = name.parse().map_err(|_| invalid())?;
        match kind {
            "user" => Ok(Self::User(name)),
            "group" => Ok(Self::Group(name)),
            "robot" => Ok(Self::Robot(name)),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Robot(name) => write!(f, "robot:{name}"),
            Self::Authenticated => f.write_str("authenticated"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grantees_survive_the_way_there_and_back() {
        for text in ["user:alice", "group:ops", "robot:ci", "authenticated", "anonymous"] {
            assert_eq!(text.parse::<Grantee>().map(|g| g.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "alice", "user:", "user:Alice", "users:alice", "user:a/b", "Anonymous"] {
            assert!(text.parse::<Grantee>().is_err(), "{text:?}");
        }
    }
}
