//! Why policy allows or denies: what `grant explain` prints.

use std::fmt;

use super::denial::describe;
use super::rules::Rules;
use crate::auth::Policy;
use crate::domain::{AccountName, Action, Grantee, RepositoryName};
use crate::storage::metadata::GrantRecord;

/// Whether someone may do something, and why. `Display` gives one line for the answer and one for each reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    who: Grantee,
    action: Action,
    repository: RepositoryName,
    blocker: Option<Blocker>,
    reasons: Vec<Reason>,
    /// Grants that cover the repository and not the action.
    short: Vec<GrantRecord>,
}

/// What overrides every right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocker {
    /// No user has that name.
    Unknown,
    /// The user is disabled.
    Disabled,
}

/// What gives the right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Administrators may do everything.
    Administrator,
    /// The repository is in the user's own namespace.
    Owner,
    /// A grant says so.
    Grant(GrantRecord),
}

impl Policy {
    /// Whether `who`, whose policy this is, may do `action` to `repository` now, and by which right. Scopes of tokens do not matter here.
    pub fn explain(&self, who: &Grantee, action: Action, repository: &RepositoryName) -> Explanation {
        let mut reasons = Vec::new();
        let mut blocker = None;
        match who {
            Grantee::User(name) => match self.account.as_ref().filter(|account| account.name == *name) {
                None => blocker = Some(Blocker::Unknown),
                Some(account) => {
                    blocker = account.disabled.then_some(Blocker::Disabled);
                    reasons.extend(account.admin.then_some(Reason::Administrator));
                    reasons.extend(self.owns(name, repository).then_some(Reason::Owner));
                }
            },
            Grantee::Group(_) | Grantee::Robot(_) => blocker = Some(Blocker::Unknown),
            Grantee::Authenticated | Grantee::Anonymous => {}
        }
        let rules: &[&Rules] = match who {
            Grantee::Anonymous => &[&self.anonymous],
            Grantee::Authenticated => &[&self.anonymous, &self.authenticated],
            Grantee::User(_) | Grantee::Group(_) | Grantee::Robot(_) => {
                &[&self.anonymous, &self.authenticated, &self.own]
            }
        };
        let covering = rules.iter().flat_map(|rules| rules.grants()).filter(|grant| grant.on.matches(repository));
        let (given, short): (Vec<_>, Vec<_>) = covering.cloned().partition(|grant| grant.allow.contains(action));
        reasons.extend(given.into_iter().map(Reason::Grant));
        Explanation { who: who.clone(), action, repository: repository.clone(), blocker, reasons, short }
    }
}

impl Explanation {
    /// Whether it is allowed.
    pub fn is_allowed(&self) -> bool {
        self.blocker.is_none() && !self.reasons.is_empty()
    }

    /// What gives the right; also of a user who is disabled.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// What overrides every right.
    pub fn blocker(&self) -> Option<Blocker> {
        self.blocker
    }

    fn write_remedy(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.blocker, &self.who) {
            (Some(Blocker::Disabled), Grantee::User(name)) => {
                write!(f, "\n  {name} is disabled; to change that: portcullis user enable {name}")
            }
            (Some(_), Grantee::User(name)) => {
                write!(f, "\n  unknown user {name}; to change that: portcullis user add {name}")
            }
            (Some(_), who) => write!(f, "\n  {who} does not exist"),
            (None, who) => {
                for grant in &self.short {
                    write!(f, "\n  the grant to {} on {} allows {} only", grant.to, grant.on, grant.allow)?;
                }
                write!(f, "\n  no {}grant allows it", if self.short.is_empty() { "" } else { "other " })?;
                let (action, repository) = (self.action, &self.repository);
                // Anonymous may be granted pull alone.
                let to = if *who == Grantee::Anonymous && action != Action::Pull {
                    write!(f, "\n  no grant can: to {action}, log in first")?;
                    &Grantee::Authenticated
                } else {
                    who
                };
                write!(f, "\n  what would allow it: portcullis grant add --to {to} --on {repository} --allow {action}")
            }
        }
    }

    fn write_reason(&self, f: &mut fmt::Formatter<'_>, reason: &Reason) -> fmt::Result {
        let name: &str = match &self.who {
            Grantee::User(name) => AccountName::as_str(name),
            _ => "",
        };
        match reason {
            Reason::Administrator => write!(f, "\n  {name} is an administrator"),
            Reason::Owner => write!(f, "\n  {name} owns {name}/**"),
            Reason::Grant(grant) => write!(f, "\n  the grant to {} on {} allows {}", grant.to, grant.on, grant.allow),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = describe(self.action, &self.repository);
        if self.is_allowed() {
            write!(f, "allowed: {} may {what}", self.who)?;
            self.reasons.iter().try_for_each(|reason| self.write_reason(f, reason))
        } else {
            write!(f, "denied: {} may not {what}", self.who)?;
            self.write_remedy(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::metadata::{FailureRecord, UserRecord};

    fn user(name: &str, admin: bool, disabled: bool) -> UserRecord {
        let name = name.parse().expect("a name");
        UserRecord {
            name,
            password_hash: String::new(),
            admin,
            disabled,
            epoch: 1,
            created_at: 0,
            failures: FailureRecord::default(),
        }
    }

    fn explain(who: &str, action: Action, repository: &str) -> String {
        let users = vec![user("alice", false, false), user("root", true, false), user("mallory", false, true)];
        let grant = |to: &str, on: &str, allow: &str| GrantRecord {
            to: to.parse().expect("a grantee"),
            on: on.parse().expect("a pattern"),
            allow: allow.parse().expect("actions"),
        };
        let grants = vec![grant("user:alice", "team/**", "pull,push"), grant("anonymous", "public/**", "pull")];
        let (who, repository): (Grantee, _) = (who.parse().expect("a grantee"), repository.parse().expect("a name"));
        Policy::for_tests(&users, &grants, &who).explain(&who, action, &repository).to_string()
    }

    #[test]
    fn what_is_allowed_names_the_right() {
        assert_eq!(
            explain("user:alice", Action::Push, "alice/app"),
            "allowed: user:alice may push to alice/app\n  alice owns alice/**"
        );
        assert_eq!(
            explain("user:alice", Action::Push, "team/x"),
            "allowed: user:alice may push to team/x\n  the grant to user:alice on team/** allows pull,push"
        );
        assert_eq!(
            explain("user:root", Action::Delete, "a"),
            "allowed: user:root may delete from a\n  root is an administrator"
        );
        assert!(explain("authenticated", Action::Pull, "public/x").starts_with("allowed"));
    }

    #[test]
    fn what_is_denied_names_the_remedy() {
        assert_eq!(
            explain("user:alice", Action::Push, "public/x"),
            "denied: user:alice may not push to public/x\n  the grant to anonymous on public/** allows pull only\n  \
             no other grant allows it\n  \
             what would allow it: portcullis grant add --to user:alice --on public/x --allow push"
        );
        assert!(explain("user:alice", Action::Push, "bob/app").contains("\n  no grant allows it\n"));
        assert!(explain("user:mallory", Action::Pull, "mallory/x").contains("mallory is disabled"));
        assert!(explain("user:mallet", Action::Pull, "public/x").contains("unknown user mallet"));
        assert!(explain("group:ops", Action::Pull, "public/x").starts_with("denied"));
        assert!(explain("anonymous", Action::Pull, "team/x").ends_with("--to anonymous --on team/x --allow pull"));
        for action in [Action::Push, Action::Delete] {
            let text = explain("anonymous", action, "team/x");
            assert!(text.starts_with("denied") && text.contains("log in first"), "{text}");
            assert!(text.ends_with(&format!("--to authenticated --on team/x --allow {action}")), "{text}");
        }
    }
}
