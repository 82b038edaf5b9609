//! The grants of one grantee, made quick to ask.

use std::collections::HashMap;

use crate::domain::{Actions, Glob, RepositoryName};

/// Patterns and what they allow. One that names a single repository is looked up, only the others are tried in turn.
#[derive(Debug, Default)]
pub(super) struct Rules {
    exact: HashMap<RepositoryName, Actions>,
    patterns: Vec<(Glob, Actions)>,
}

impl Rules {
    /// Adds a grant.
    pub(super) fn add(&mut self, on: &Glob, allow: Actions) {
        if on.as_str().contains('*') {
            self.patterns.push((on.clone(), allow));
        } else if let Ok(name) = on.as_str().parse::<RepositoryName>() {
            let allowed = self.exact.entry(name).or_default();
            *allowed = allowed.union(allow);
        }
        // A pattern without a star that is no repository name covers nothing.
    }

    /// All that is allowed on `repository`.
    pub(super) fn allow(&self, repository: &RepositoryName) -> Actions {
        let exact = self.exact.get(repository).copied().unwrap_or_default();
        let matching = self.patterns.iter().filter(|(on, allow)| !exact.covers(*allow) && on.matches(repository));
        matching.fold(exact, |allowed, (_, allow)| allowed.union(*allow))
    }
}
