//! Where a principal may pull, as ranges of an index: so that a list costs what its reader may see, not what the registry holds.

use super::rules::Extent;
use crate::auth::{Credential, Policy, Principal};
use crate::domain::{Action, NameRange};

/// How many ranges a mount without a source looks into.
const MOUNT_RANGES: usize = 64;

impl Policy {
    /// The ranges of names outside of which the principal may pull nothing.
    pub(super) fn pull_ranges(&self, principal: &Principal) -> Vec<NameRange> {
        self.ranges(principal, Extent::Around)
    }

    /// Ranges of names of which every one may be pulled from with this credential, at most 64. Patterns with a star in the middle
    /// have none: other repositories come between their names, and how long it takes to pass them would tell of them.
    pub fn mount_sources(&self, credential: &Credential) -> Vec<NameRange> {
        let principal = credential.principal();
        let mut ranges = match credential.repositories() {
            _ if credential.is_expired() => Vec::new(),
            None => self.ranges(principal, Extent::Exactly),
            Some(names) => names
                .filter(|(name, actions)| {
                    actions.contains(Action::Pull) && self.allowed(principal, name).contains(Action::Pull)
                })
                .map(|(name, _)| NameRange::only(name.as_str()))
                .collect(),
        };
        ranges.truncate(MOUNT_RANGES);
        ranges
    }

    fn ranges(&self, principal: &Principal, extent: Extent) -> Vec<NameRange> {
        let (name, epoch) = match principal {
            Principal::Anonymous => return NameRange::merged(self.anonymous.ranges(extent).collect()),
            Principal::User { name, epoch, .. } => (name, epoch),
            Principal::Operator { .. } => return Vec::new(),
        };
        let Some(account) = self.account(name, *epoch) else { return Vec::new() };
        if account.admin {
            return vec![NameRange::all()];
        }
        let own = self.personal_namespaces.then(|| NameRange::beginning_with(&format!("{name}/")));
        let rules = [&self.anonymous, &self.authenticated, &self.own];
        NameRange::merged(rules.into_iter().flat_map(move |rules| rules.ranges(extent)).chain(own).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Actions, Grantee};
    use crate::storage::metadata::GrantRecord;

    fn policy(grants: &[(&str, &str, Actions)]) -> Policy {
        let grant = |(to, on, allow): &(&str, &str, Actions)| GrantRecord {
            to: to.parse::<Grantee>().expect("a grantee"),
            on: on.parse().expect("a pattern"),
            allow: *allow,
        };
        let grants: Vec<GrantRecord> = grants.iter().map(grant).collect();
        Policy::for_tests(&[], &grants, &Grantee::Authenticated)
    }

    #[test]
    fn without_grants_nothing_is_searched() {
        let pull = Actions::from(Action::Pull);
        let unrelated = policy(&[("authenticated", "**", pull), ("anonymous", "secret/**", Action::Push.into())]);
        assert!(unrelated.pull_ranges(&Principal::Anonymous).is_empty());
        assert!(unrelated.mount_sources(&Credential::anonymous()).is_empty());
    }

    #[test]
    fn the_ranges_are_what_the_patterns_begin_with() {
        let pull = Actions::from(Action::Pull);
        let public =
            policy(&[("anonymous", "public/**", pull), ("anonymous", "team/*/docs", pull), ("anonymous", "a", pull)]);
        let expected = [NameRange::only("a"), NameRange::beginning_with("public/"), NameRange::beginning_with("team/")];
        assert_eq!(public.pull_ranges(&Principal::Anonymous), expected);
        let whole = [NameRange::only("a"), NameRange::beginning_with("public/")];
        assert_eq!(public.mount_sources(&Credential::anonymous()), whole);
    }
}
