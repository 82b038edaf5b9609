//! The rights that a client asks a token for: `repository:a/b:pull,push`.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::{Action, Actions, RepositoryName};

/// How many scopes of one request are read. A token with so many of the longest names still fits into a header.
const MAX_SCOPES: usize = 32;

/// Rights to one resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `repository:NAME:ACTIONS`.
    Repository {
        /// Where.
        name: RepositoryName,
        /// What; `*` is everything.
        actions: Actions,
    },
    /// `registry:catalog:*`: list the repositories.
    Catalog,
}

impl Scope {
    /// A scope of one repository.
    pub fn repository(name: RepositoryName, actions: Actions) -> Self {
        Self::Repository { name, actions }
    }

    /// Reads one scope: the type ends at the first colon, the actions begin after the last. Actions that do not exist are left out.
    /// `None` for other types, and for names that cannot exist: a token never says anything about those.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        match kind {
            "repository" | "repository(plugin)" => {
                Some(Self::Repository { name: name.parse().ok()?, actions: parse_actions(actions) })
            }
            "registry" if name == "catalog" && actions.split(',').any(|action| action == "*") => Some(Self::Catalog),
            _ => None,
        }
    }

    /// Reads the `scope` parameters of a request, repeated and separated by spaces: one scope per resource, with the union of what was
    /// asked, in the order of names. What [`Self::parse`] refuses is ignored, as is what comes after the first 32 scopes.
    pub fn parse_all<'a>(parameters: impl Iterator<Item = &'a str>) -> Vec<Self> {
        let scopes = parameters.flat_map(|parameter| parameter.split_ascii_whitespace()).take(MAX_SCOPES);
        let mut repositories = BTreeMap::<RepositoryName, Actions>::new();
        let mut catalog = false;
        for scope in scopes.filter_map(Self::parse) {
            match scope {
                Self::Catalog => catalog = true,
                Self::Repository { name, actions } => {
                    let asked = repositories.entry(name).or_default();
                    *asked = asked.union(actions);
                }
            }
        }
        let repositories = repositories.into_iter().map(|(name, actions)| Self::Repository { name, actions });
        catalog.then_some(Self::Catalog).into_iter().chain(repositories).collect()
    }
}

fn parse_actions(text: &str) -> Actions {
    let one = |action: &str| match action {
        "*" => Actions::ALL,
        name => name.parse::<Action>().map_or(Actions::NONE, Actions::from),
    };
    text.split(',').map(one).fold(Actions::NONE, Actions::union)
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository { name, actions } => write!(f, "repository:{name}:{actions}"),
            Self::Catalog => f.write_str("registry:catalog:*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(parameters: &[&str]) -> Vec<String> {
        Scope::parse_all(parameters.iter().copied()).iter().map(Scope::to_string).collect()
    }

    #[test]
    fn scopes_repeat_separate_and_union() {
        assert_eq!(all(&["repository:a/b:push,pull"]), ["repository:a/b:pull,push"]);
        assert_eq!(
            all(&["repository:b:pull repository:a:pull", "repository:b:delete"]),
            ["repository:a:pull", "repository:b:pull,delete"]
        );
        assert_eq!(
            all(&["repository:a:*", "registry:catalog:*"]),
            ["registry:catalog:*", "repository:a:pull,push,delete"]
        );
        assert_eq!(all(&["repository(plugin):a:pull"]), ["repository:a:pull"]);
        assert_eq!(all(&["repository:a:pull,metadata_read"]), ["repository:a:pull"]);
    }

    #[test]
    fn what_cannot_be_granted_is_ignored() {
        for text in [
            "",
            ":",
            "::",
            "repository",
            "repository:",
            "repository:a",
            "repository::pull",
            "repository:A:pull",
            "artifact-repository:a:pull",
            "registry:other:*",
            "registry:catalog:pull",
            "repository:host:5000/a:pull",
            "repository:../a:pull",
        ] {
            assert!(all(&[text]).is_empty(), "{text:?}");
        }
        assert_eq!(all(&["repository:a:"]), ["repository:a:"]);
    }

    #[test]
    fn a_flood_of_scopes_is_cut() {
        let many: Vec<String> = (0..1000).map(|n| format!("repository:r{n}:pull")).collect();
        assert_eq!(Scope::parse_all(many.iter().map(String::as_str)).len(), MAX_SCOPES);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser_and_scopes_survive_the_way_back(text in "(repository|registry|x|:|[a-z/:,* ]){0,12}") {
            for scope in Scope::parse_all(std::iter::once(text.as_str())) {
                prop_assert_eq!(Scope::parse(&scope.to_string()), Some(scope));
            }
        }
    }
}
