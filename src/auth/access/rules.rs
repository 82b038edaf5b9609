//! The grants of one grantee, made quick to ask.

use std::collections::HashMap;

use crate::domain::{Action, Actions, Glob, NameRange, RepositoryName};

/// Patterns and what they allow. One that names a single repository is looked up, only the others are tried in turn.
#[derive(Debug, Default)]
pub(in crate::auth) struct Rules {
    exact: HashMap<RepositoryName, Actions>,
    patterns: Vec<(Glob, Actions)>,
}

/// Which range stands for a pattern.
#[derive(Clone, Copy, Debug)]
pub(in crate::auth) enum Extent {
    /// The least that has all that the pattern covers.
    Around,
    /// The one that has nothing else; none where there is none.
    Exactly,
}

impl Rules {
    /// Adds a grant.
    pub(in crate::auth) fn add(&mut self, on: &Glob, allow: Actions) {
        if on.as_str().contains('*') {
            self.patterns.push((on.clone(), allow));
        } else if let Ok(name) = on.as_str().parse::<RepositoryName>() {
            let allowed = self.exact.entry(name).or_default();
            *allowed = allowed.union(allow);
        }
        // A pattern without a star that is no repository name covers nothing.
    }

    /// Where the rules allow to pull.
    pub(in crate::auth) fn ranges(&self, extent: Extent) -> impl Iterator<Item = NameRange> {
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
    pub(in crate::auth) fn allow(&self, repository: &RepositoryName) -> Actions {
        let exact = self.exact.get(repository).copied().unwrap_or_default();
        let matching = self.patterns.iter().filter(|(on, allow)| !exact.covers(*allow) && on.matches(repository));
        matching.fold(exact, |allowed, (_, allow)| allowed.union(*allow))
    }
}
