//! Rules about tags that clients may not move or delete. Every change bumps the policy version, so that running servers read them again.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{ImmutableRule, Tag};
use crate::storage::StorageError;

/// A rule, and who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImmutableRecord {
    /// The rule.
    pub rule: ImmutableRule,
    /// When it was made.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
}

/// A tag that must not be moved or deleted, and the rule that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedTag {
    /// The tag.
    pub tag: Tag,
    /// The rule.
    pub rule: Arc<ImmutableRule>,
}

impl fmt::Display for RefusedTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, rule } = self;
        write!(f, "the tag {tag} can be neither moved nor deleted: {rule}; push under another tag; nothing was changed")
    }
}

impl std::error::Error for RefusedTag {}

/// Rules by number.
#[async_trait]
pub trait ImmutableTags {
    /// Adds a rule, whose number is drawn here and returned.
    async fn add_immutable_rule(&self, rule: ImmutableRule, by: &str) -> Result<i64, StorageError>;

    /// All rules, by number.
    async fn immutable_rules(&self) -> Result<Vec<ImmutableRecord>, StorageError>;

    /// Removes a rule. `false` if it did not exist.
    async fn remove_immutable_rule(&self, id: i64) -> Result<bool, StorageError>;
}
