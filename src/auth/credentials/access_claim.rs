//! The rights written into a token, and the rights read from one.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::auth::Scope;
use crate::domain::{Action, Actions, RepositoryName};

/// One entry of a token's `access` claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// `repository` or `registry`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The repository's name, or `catalog`.
    pub name: String,
    /// `pull`, `push`, `delete`; `*` for the catalog.
    pub actions: Vec<String>,
}

impl From<&Scope> for Access {
    fn from(scope: &Scope) -> Self {
        match scope {
            Scope::Repository { name, actions } => Self {
                kind: "repository".to_owned(),
                name: name.to_string(),
                actions: actions.iter().map(|action| action.as_str().to_owned()).collect(),
            },
            Scope::Catalog => {
                Self { kind: "registry".to_owned(), name: "catalog".to_owned(), actions: vec!["*".to_owned()] }
            }
        }
    }
}

impl Access {
    /// The same as a scope; `None` if it gives no right. One action is one text: `["pull,push"]` is not one.
    fn scope(&self) -> Option<Scope> {
        let several = |action: &String| action.contains(',');
        if self.actions.iter().any(several) { None } else { Scope::parse(&self.to_string()) }
    }
}

/// As a scope: `repository:a/b:pull,push`.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.name, self.actions.join(","))
    }
}

/// What a token covers, ready to be asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::auth) struct TokenScope {
    repositories: HashMap<RepositoryName, Actions>,
    catalog: bool,
}

impl TokenScope {
    /// Whether `action` on `repository` is covered.
    pub(in crate::auth) fn covers(&self, repository: &RepositoryName, action: Action) -> bool {
        self.repositories.get(repository).is_some_and(|actions| actions.contains(action))
    }

    /// What it covers by name.
    pub(in crate::auth) fn repositories(&self) -> impl Iterator<Item = (&RepositoryName, Actions)> {
        self.repositories.iter().map(|(name, actions)| (name, *actions))
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> u32 {
        let bytes: usize = self.repositories.keys().map(|name| name.as_str().len() + 64).sum();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Whether listing repositories is covered.
    pub(in crate::auth) fn covers_catalog(&self) -> bool {
        self.catalog
    }
}

/// Reads the claim. What is not understood gives no right.
impl FromIterator<Access> for TokenScope {
    fn from_iter<I: IntoIterator<Item = Access>>(access: I) -> Self {
        let mut scope = Self::default();
        for right in access.into_iter().filter_map(|access| access.scope()) {
            match right {
                Scope::Catalog => scope.catalog = true,
                Scope::Repository { name, actions } => {
                    let covered = scope.repositories.entry(name).or_default();
                    *covered = covered.union(actions);
                }
            }
        }
        scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_reads_as_it_was_written() {
        let scopes = Scope::parse_all(["repository:a/b:pull,push registry:catalog:*"].into_iter());
        let claim: Vec<Access> = scopes.iter().map(Access::from).collect();
        assert_eq!(
            serde_json::to_value(&claim).expect("JSON"),
            serde_json::json!([
                {"type": "registry", "name": "catalog", "actions": ["*"]},
                {"type": "repository", "name": "a/b", "actions": ["pull", "push"]},
            ])
        );
        let glued = Access {
            kind: "repository".to_owned(),
            name: "c".to_owned(),
            actions: vec!["pull,push".to_owned(), "delete".to_owned()],
        };
        let scope: TokenScope = claim.into_iter().chain([glued]).collect();
        assert!(!Action::ALL.iter().any(|action| scope.covers(&"c".parse().expect("a name"), *action)));
        let name = "a/b".parse().expect("a name");
        assert!(scope.covers_catalog() && scope.covers(&name, Action::Push) && !scope.covers(&name, Action::Delete));
        assert!(!scope.covers(&"a".parse().expect("a name"), Action::Pull));
    }
}
