//! Which user a certificate names: the operator's rule, applied to texts that were read from it.

use std::fmt;

use crate::domain::{AccountName, AccountPattern};

/// The part of a certificate that is read; no other one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateField {
    /// The common name of the subject (RFC 5280, section 4.1.2.6).
    SubjectCommonName,
    /// Mail addresses among the subject's alternative names (RFC 5280, section 4.2.1.6).
    SanEmail,
    /// Host names among them.
    SanDns,
    /// URIs among them.
    SanUri,
}

/// Where the user's name stands, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRule {
    /// Which part.
    pub field: CertificateField,
    /// In which form.
    pub pattern: AccountPattern,
}

/// A certificate that names no user, or more than one. The texts are for its holder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unnamed {
    /// The part is not there, or has another form.
    #[error("the client certificate names no user here: it has no {} of the form {}", rule.field, rule.pattern)]
    NoUser {
        /// What was looked for.
        rule: UserRule,
    },
    /// The part is there more than once.
    #[error("the client certificate names no single user: it has more than one {} that could be meant", rule.field)]
    Several {
        /// What was looked for.
        rule: UserRule,
    },
}

impl UserRule {
    /// The user whom these values of the field name. A second common name is refused whatever it says; of alternative names, those
    /// of another form are passed over, because a certificate may well carry a host's name next to the user's.
    pub fn user(&self, values: &[&str]) -> Result<AccountName, Unnamed> {
        if self.field == CertificateField::SubjectCommonName && values.len() > 1 {
            return Err(Unnamed::Several { rule: self.clone() });
        }
        let mut found = values.iter().filter_map(|value| self.pattern.find(value));
        let user = found.next().ok_or_else(|| Unnamed::NoUser { rule: self.clone() })?;
        if found.all(|other| other == user) { Ok(user) } else { Err(Unnamed::Several { rule: self.clone() }) }
    }
}

impl fmt::Display for CertificateField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SubjectCommonName => "common name in its subject",
            Self::SanEmail => "mail address among its alternative names",
            Self::SanDns => "host name among its alternative names",
            Self::SanUri => "URI among its alternative names",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(field: CertificateField, pattern: &str) -> UserRule {
        UserRule { field, pattern: pattern.parse().unwrap() }
    }

    #[test]
    fn one_user_is_named_or_none() {
        let common_name = rule(CertificateField::SubjectCommonName, "{user}");
        assert_eq!(common_name.user(&["alice"]).unwrap().as_str(), "alice");
        assert!(matches!(common_name.user(&[]), Err(Unnamed::NoUser { .. })));
        assert!(matches!(common_name.user(&["Alice"]), Err(Unnamed::NoUser { .. })));
        for values in [["alice", "bob"], ["alice", "alice"], ["alice", "Not A Name"]] {
            assert!(matches!(common_name.user(&values), Err(Unnamed::Several { .. })), "{values:?}");
        }
    }

    #[test]
    fn other_names_next_to_the_users_are_passed_over() {
        let mail = rule(CertificateField::SanEmail, "{user}@example.com");
        assert_eq!(mail.user(&["x@other.test", "alice@example.com"]).unwrap().as_str(), "alice");
        assert_eq!(mail.user(&["alice@example.com", "alice@example.com"]).unwrap().as_str(), "alice");
        assert!(matches!(mail.user(&["alice@example.com", "bob@example.com"]), Err(Unnamed::Several { .. })));
        let text = mail.user(&["x@other.test"]).unwrap_err().to_string();
        assert!(text.contains("{user}@example.com") && text.contains("mail address"), "{text}");
    }
}
