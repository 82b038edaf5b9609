//! Why a tag or manifest is kept or removed, in words that a preview shows.

use std::fmt;
use std::num::NonZeroU32;

use super::keep::Order;
use crate::domain::{TagPattern, TimeSpan};

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Someone holds it.
    Held,
    /// No rule is about it.
    NoRule,
    /// This rule makes it immutable, and does not let it expire.
    Immutable(i64),
    /// The rule that would remove it has not run yet.
    FirstRun,
    /// It is one of the newest.
    Newest {
        /// Its place, from 1.
        rank: usize,
        /// How many are kept.
        count: NonZeroU32,
        /// In which order.
        by: Order,
    },
    /// It was pushed within this time.
    PushedWithin(TimeSpan),
    /// It is unknown when it was pushed.
    PushTimeUnknown,
    /// It was pulled within this time.
    PulledWithin(TimeSpan),
    /// It is unknown whether it was pulled within this time.
    PullsUnknown(TimeSpan),
    /// Its name matches.
    Matching(TagPattern),
    /// It is signed.
    Signed,
    /// Its rule ranks versions alone, and it is not one.
    NotAVersion,
    /// It refers to a manifest that is kept.
    WithSubject,
    /// A kept tag refers to it.
    WithReferrer,
    /// It was pushed a moment ago, and an index or tag may follow.
    JustPushed,
    /// A tag in the trash points to it.
    InTrash,
    /// No clause of its rule keeps it: removed.
    NotKept,
    /// It refers to a manifest that is removed: removed.
    SubjectRemoved,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => f.write_str("held"),
            Self::NoRule => f.write_str("no rule matches it"),
            Self::Immutable(rule) => write!(f, "immutable by rule {rule}"),
            Self::FirstRun => f.write_str("first run of its rule"),
            Self::Newest { rank, count, by: Order::Push } => write!(f, "number {rank} of the newest {count}"),
            Self::Newest { rank, count, by: Order::Version } => {
                write!(f, "number {rank} of the {count} newest versions")
            }
            Self::PushedWithin(span) => write!(f, "pushed within {span}"),
            Self::PushTimeUnknown => f.write_str("time of its push unknown"),
            Self::PulledWithin(span) => write!(f, "pulled within {span}"),
            Self::PullsUnknown(span) => write!(f, "pulls not recorded for {span} yet"),
            Self::Matching(pattern) => write!(f, "matches {pattern}"),
            Self::Signed => f.write_str("signed"),
            Self::NotAVersion => f.write_str("not a version"),
            Self::WithSubject => f.write_str("belongs to a kept image"),
            Self::WithReferrer => f.write_str("a kept tag refers to it"),
            Self::JustPushed => f.write_str("pushed a moment ago"),
            Self::InTrash => f.write_str("a tag in the trash points to it"),
            Self::NotKept => f.write_str("no clause keeps it"),
            Self::SubjectRemoved => f.write_str("belongs to a removed image"),
        }
    }
}
