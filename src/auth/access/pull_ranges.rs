//! Where a principal may pull, as ranges that an index can be asked for: so that a list costs what its reader may see, not what there
//! is.

use super::rules::Extent;
use crate::auth::{Credential, Policy, Principal};
use crate::domain::{Action, NameRange};

/// How many ranges a mount without a source looks into.
const MOUNT_RANGES: usize = 64;

impl Policy {
    /// The ranges of names outside of which the principal may pull nothing.
    pub(in crate::auth) fn reach(&self, principal: &Principal) -> Vec<NameRange> {
        self.ranges(principal, Extent::Around)
    }

    /// Ranges of names of which every one may be pulled from with this credential, at most 64. Patterns with a star in the middle
    /// have none: what lies between their names is not the caller's, and how long it takes to pass it would tell of it.
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
        let rules = [&self.anonymous, &self.authenticated, &account.rules];
        NameRange::merged(rules.into_iter().flat_map(|rules| rules.ranges(extent)).chain(own).collect())
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
        Policy::new(Vec::new(), grants.iter().map(grant).collect(), true)
    }

    #[test]
    fn without_grants_nothing_is_looked_at() {
        let pull = Actions::from(Action::Pull);
        let unrelated = policy(&[("authenticated", "**", pull), ("anonymous", "secret/**", Action::Push.into())]);
        assert!(unrelated.reach(&Principal::Anonymous).is_empty());
        assert!(unrelated.mount_sources(&Credential::anonymous()).is_empty());
    }

    #[test]
    fn the_reach_is_what_the_patterns_begin_with() {
        let pull = Actions::from(Action::Pull);
        let public =
            policy(&[("anonymous", "public/**", pull), ("anonymous", "team/*/docs", pull), ("anonymous", "a", pull)]);
        let expected = [NameRange::only("a"), NameRange::beginning_with("public/"), NameRange::beginning_with("team/")];
        assert_eq!(public.reach(&Principal::Anonymous), expected);
        let whole = [NameRange::only("a"), NameRange::beginning_with("public/")];
        assert_eq!(public.mount_sources(&Credential::anonymous()), whole);
    }
}
