//! The grants of one grantee, prepared for quick decisions.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{Action, Actions, Glob, NameRange, RepositoryName};
use crate::storage::metadata::GrantRecord;

/// Patterns and what they allow. One that names a single repository is looked up, only the others are tried in turn.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// In the order of their patterns.
    grants: Vec<GrantRecord>,
    exact: HashMap<RepositoryName, Actions>,
    patterns: Vec<(Glob, Actions)>,
}

/// Which range represents a pattern.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extent {
    /// The smallest one that contains all that the pattern covers.
    Around,
    /// The one that contains nothing else, if it exists.
    Exactly,
}

impl Rules {
    pub(super) fn new(mut grants: Vec<GrantRecord>) -> Self {
        grants.sort_by(|one, other| one.on.as_str().cmp(other.on.as_str()));
        let mut rules = Self::default();
        for grant in &grants {
            rules.add(&grant.on, grant.allow);
        }
        Self { grants, ..rules }
    }

    /// The rules of these grants: the `known` ones if they are the same, so that policies share them.
    pub(super) fn shared(grants: Vec<GrantRecord>, known: &Arc<Self>) -> Arc<Self> {
        let rules = Self::new(grants);
        if rules.grants == known.grants { Arc::clone(known) } else { Arc::new(rules) }
    }

    fn add(&mut self, on: &Glob, allow: Actions) {
        if on.as_str().contains('*') {
            self.patterns.push((on.clone(), allow));
        } else if let Ok(name) = on.as_str().parse::<RepositoryName>() {
            let allowed = self.exact.entry(name).or_default();
            *allowed = allowed.union(allow);
        }
        // A pattern without a star that is not a repository name covers nothing.
    }

    /// What the rules were made from.
    pub(super) fn grants(&self) -> &[GrantRecord] {
        &self.grants
    }

    /// Where the rules allow to pull.
    pub(super) fn ranges(&self, extent: Extent) -> impl Iterator<Item = NameRange> {
        let range = move |on: &Glob| match extent {
            Extent::Around => Some(NameRange::around(on)),
            Extent::Exactly => NameRange::exactly(on),
        };
        let pulls = |allow: &Actions| allow.contains(Action::Pull);
        let exact = self.exact.iter().filter(move |(_, allow)| pulls(allow));
        let patterns = self.patterns.iter().filter(move |(_, allow)| pulls(allow));
        exact.map(|(name, _)| NameRange::only(name.as_str())).chain(patterns.filter_map(move |(on, _)| range(on)))
    }

    /// All that is allowed on `repository`.
    pub(super) fn allow(&self, repository: &RepositoryName) -> Actions {
        let exact = self.exact.get(repository).copied().unwrap_or_default();
        let matching = self.patterns.iter().filter(|(on, allow)| !exact.covers(*allow) && on.matches(repository));
        matching.fold(exact, |allowed, (_, allow)| allowed.union(*allow))
    }
}
