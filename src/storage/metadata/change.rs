//! Who changes something, and why: what the history of a tag and the trash tell later.

use std::fmt;
use std::time::Duration;

use crate::domain::TagProtection;

/// A change of what a repository holds.
#[derive(Clone, Debug)]
pub struct Change {
    /// Who: `user:alice`, `anonymous`, `operator:root`, or `registry` for what it does by itself.
    pub by: String,
    /// Why.
    pub cause: Cause,
    /// How long what it removes can be restored; zero: it is removed at once.
    pub keep: Duration,
    /// What makes tags of the repository immutable for the one who changes it.
    pub protection: TagProtection,
}

/// Why something was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A client pushed.
    Push,
    /// A client or the operator deleted.
    Delete,
    /// Something else was restored.
    Restore,
    /// A rule of retention.
    Retention,
    /// It was purged.
    Purge,
    /// It was taken over from another registry.
    Import,
}

impl Cause {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Retention => "retention",
            Self::Purge => "purge",
            Self::Import => "import",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
