//! Which tags may not be moved or deleted by clients. The last rule that matches a tag decides, so that exceptions work both ways.

use std::fmt;
use std::sync::Arc;

use super::glob::Glob;
use super::tag_pattern::TagPattern;
use crate::domain::{RepositoryName, Tag, TimeSpan};

/// A rule about the tags of some repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImmutableRule {
    /// Its number; rules are in the order of their numbers.
    pub id: i64,
    /// On which repositories.
    pub on: Glob,
    /// Which of their tags.
    pub tags: TagPattern,
    /// Whether these tags may be moved and deleted although an earlier rule forbids it.
    pub mutable: bool,
    /// For how long after a push a tag may still be corrected.
    pub after: Option<TimeSpan>,
    /// Whether retention may remove such a tag.
    pub expires: bool,
}

/// By which a refusal names the rule.
impl fmt::Display for ImmutableRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "immutable rule {} (on {}, tags {})", self.id, self.on, self.tags)
    }
}

/// All rules, in order.
#[derive(Clone, Debug, Default)]
pub struct ImmutableRules(Vec<Arc<ImmutableRule>>);

impl ImmutableRules {
    /// These rules, in any order.
    pub fn new(mut rules: Vec<ImmutableRule>) -> Self {
        rules.sort_by_key(|rule| rule.id);
        Self(rules.into_iter().map(Arc::new).collect())
    }

    /// What protects the tags of a repository.
    pub fn of(&self, repository: &RepositoryName) -> TagProtection {
        let rules: Vec<_> = self.0.iter().filter(|rule| rule.on.matches(repository)).cloned().collect();
        // Exceptions from nothing.
        if rules.iter().all(|rule| rule.mutable) { TagProtection::default() } else { TagProtection(rules) }
    }
}

/// The rules about the tags of one repository.
#[derive(Clone, Debug, Default)]
pub struct TagProtection(Vec<Arc<ImmutableRule>>);

impl TagProtection {
    /// Whether every tag may be moved and deleted.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule that makes a tag immutable, once its time for corrections is over.
    pub fn rule(&self, tag: &Tag) -> Option<&Arc<ImmutableRule>> {
        self.0.iter().rfind(|rule| rule.tags.matches(tag)).filter(|rule| !rule.mutable)
    }

    /// The rule that forbids to move or delete a tag which was pushed at `pushed_at`, if one does.
    pub fn refuses(&self, tag: &Tag, pushed_at: i64, now: i64) -> Option<&Arc<ImmutableRule>> {
        let is_over = |after: TimeSpan| now.saturating_sub(pushed_at) >= after.seconds();
        self.rule(tag).filter(|rule| rule.after.is_none_or(is_over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: i64, on: &str, tags: &str, mutable: bool) -> ImmutableRule {
        let (on, tags) = (on.parse().expect("a glob"), tags.parse().expect("a pattern"));
        ImmutableRule { id, on, tags, mutable, after: None, expires: false }
    }

    fn protecting(rules: &[ImmutableRule], repository: &str, tag: &str) -> Option<i64> {
        let protection = ImmutableRules::new(rules.to_vec()).of(&repository.parse().expect("a name"));
        protection.refuses(&tag.parse().expect("a tag"), 0, 0).map(|rule| rule.id)
    }

    #[test]
    fn the_last_rule_that_matches_decides() {
        // Not in order: their numbers count.
        let rules = [rule(2, "**", "*-rc*", true), rule(1, "**", "v*", false), rule(3, "prod/**", "v*-rc*", false)];
        assert_eq!(protecting(&rules, "app", "v1"), Some(1));
        assert_eq!(protecting(&rules, "app", "v1-rc1"), None);
        assert_eq!(protecting(&rules, "prod/app", "v1-rc1"), Some(3));
        assert_eq!(protecting(&rules, "app", "latest"), None);
        assert!(ImmutableRules::new(rules[..1].to_vec()).of(&"app".parse().expect("a name")).is_none());
    }

    #[test]
    fn a_tag_may_be_corrected_for_a_while() {
        let late = ImmutableRule { after: Some(TimeSpan::of_seconds(60)), ..rule(1, "**", "*", false) };
        let protection = ImmutableRules::new(vec![late]).of(&"app".parse().expect("a name"));
        let tag = "v1".parse().expect("a tag");
        assert!(protection.refuses(&tag, 1000, 1059).is_none());
        assert!(protection.refuses(&tag, 1000, 1060).is_some());
        assert!(protection.rule(&tag).is_some(), "retention keeps it meanwhile");
    }
}
