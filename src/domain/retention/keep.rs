//! What a rule keeps: clauses, of which one is enough.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::domain::{TagPattern, TimeSpan};

/// A reason to keep a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is one of the newest.
    Newest {
        /// So many images are kept, with all of their tags.
        count: NonZeroU32,
        /// Newest in which order.
        by: Order,
    },
    /// It was pushed within this time.
    PushedWithin(TimeSpan),
    /// It was pulled within this time, or pushed.
    PulledWithin(TimeSpan),
    /// Its name matches.
    Matching(TagPattern),
    /// Its image has a signature.
    Signed,
}

/// What makes one image newer than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// It was pushed later.
    Push,
    /// It has the higher version.
    Version,
}

/// A text that is not a clause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid clause '{0}': write newest=10, newest=10:version, pushed-within=30d, pulled-within=90d, matching=v* or signed; several are \
     separated by commas"
)]
pub struct InvalidClause(String);

impl FromStr for Keep {
    type Err = InvalidClause;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidClause(text.to_owned());
        let Some((name, value)) = text.split_once('=') else {
            return if text == "signed" { Ok(Self::Signed) } else { Err(invalid()) };
        };
        match name {
            "newest" => newest(value),
            "pushed-within" => value.parse().ok().map(Self::PushedWithin),
            "pulled-within" => value.parse().ok().map(Self::PulledWithin),
            "matching" => value.parse().ok().map(Self::Matching),
            _ => None,
        }
        .ok_or_else(invalid)
    }
}

fn newest(value: &str) -> Option<Keep> {
    let (count, by) = match value.split_once(':') {
        None => (value, Order::Push),
        Some((count, "push")) => (count, Order::Push),
        Some((count, "version")) => (count, Order::Version),
        Some(_) => return None,
    };
    Some(Keep::Newest { count: count.parse().ok()?, by })
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest { count, by: Order::Push } => write!(f, "newest={count}"),
            Self::Newest { count, by: Order::Version } => write!(f, "newest={count}:version"),
            Self::PushedWithin(span) => write!(f, "pushed-within={span}"),
            Self::PulledWithin(span) => write!(f, "pulled-within={span}"),
            Self::Matching(pattern) => write!(f, "matching={pattern}"),
            Self::Signed => f.write_str("signed"),
        }
    }
}

/// The clauses of a rule, at least one. As text, separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepClauses(Vec<Keep>);

impl KeepClauses {
    /// These clauses; `None` without any.
    pub fn new(clauses: Vec<Keep>) -> Option<Self> {
        (!clauses.is_empty()).then_some(Self(clauses))
    }

    /// In the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = &Keep> {
        self.0.iter()
    }
}

impl FromStr for KeepClauses {
    type Err = InvalidClause;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for KeepClauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, clause) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "," };
            write!(f, "{separator}{clause}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_read_and_written() {
        for text in ["newest=10", "newest=1:version", "pushed-within=30d", "pulled-within=36h", "matching=v*", "signed"]
        {
            assert_eq!(text.parse::<Keep>().expect(text).to_string(), text);
        }
        let all = "newest=10,newest=3:version,matching=v*.*,signed";
        assert_eq!(all.parse::<KeepClauses>().expect("valid").to_string(), all);
        assert_eq!("newest=3:push".parse::<Keep>(), "newest=3".parse());
    }

    #[test]
    fn what_keeps_nothing_or_is_unclear_is_refused() {
        for text in [
            "",
            "newest",
            "newest=0",
            "newest=-1",
            "newest=10:size",
            "newest=",
            "pushed-within=30",
            "pulled-within=",
            "matching=",
            "matching=a/b",
            "signed=yes",
            "unsigned",
            "newest = 10",
            "signed,",
        ] {
            let error = text.parse::<KeepClauses>().expect_err(text).to_string();
            assert!(error.contains("pulled-within=90d"), "{error}");
        }
    }
}
