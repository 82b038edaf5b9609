//! Rules: which tags of which repositories are kept for what reason. The last rule that matches a tag decides about it; a tag that none
//! matches is kept.

use super::keep::{Keep, KeepClauses};
use crate::domain::{Glob, RepositoryName, Tag, TagPattern};

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRule {
    /// Its number; rules are in the order of their numbers.
    pub id: i64,
    /// On which repositories.
    pub on: Glob,
    /// What it decides about.
    pub selects: Selection,
    /// What it keeps.
    pub keep: KeepClauses,
    /// Whether it has run without removing anything, as the first run of each rule does.
    pub is_rehearsed: bool,
}

/// What a rule decides about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Tags.
    Tags(TagPattern),
    /// Manifests without a tag, index or subject.
    Untagged,
}

/// Why a rule cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// It asks untagged manifests for something that they do not have.
    #[error("'{0}' cannot keep untagged manifests: use pushed-within, pulled-within or signed")]
    OfTags(Keep),
}

impl RetentionRule {
    /// Whether every clause fits what the rule selects.
    pub fn validate(&self) -> Result<(), InvalidRule> {
        let is_of_tags = |clause: &&Keep| matches!(clause, Keep::Newest { .. } | Keep::Matching(_));
        match self.keep.iter().find(is_of_tags) {
            Some(clause) if self.selects == Selection::Untagged => Err(InvalidRule::OfTags(clause.clone())),
            _ => Ok(()),
        }
    }

    /// Whether it cannot decide without knowing when images were pulled.
    pub fn needs_pull_times(&self) -> bool {
        self.keep.iter().any(|clause| matches!(clause, Keep::PulledWithin(_)))
    }

    /// The rules of a repository among these.
    pub fn of<'r>(rules: &'r [Self], repository: &RepositoryName) -> Vec<&'r Self> {
        rules.iter().filter(|rule| rule.on.matches(repository)).collect()
    }

    pub(super) fn selects_tag(&self, tag: &Tag) -> bool {
        matches!(&self.selects, Selection::Tags(pattern) if pattern.matches(tag))
    }
}
