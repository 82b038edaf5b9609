//! What can go wrong with an order, in words that tell the operator what to look at.

use std::fmt;
use std::time::Duration;

use instant_acme::{Error as ClientError, Problem};

use super::store::AcmeStoreError;
use crate::config::AcmeChallenge;
use crate::pki::PkiError;

/// Why there is no new certificate. The current one stays in use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcmeError {
    /// The authority's server gives no answer that could be understood.
    #[error(
        "the ACME server of {directory} cannot be used ({doing}): {reason}; check acme.directory, and that this host reaches it{}",
        trusts(reason)
    )]
    Unreachable {
        /// The address of the directory.
        directory: String,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// The authority's server refuses.
    #[error("the ACME server of {directory} refuses ({doing}): {problem}{}", waits(*retry_after))]
    Refused {
        /// The address of the directory.
        directory: String,
        /// What was tried.
        doing: &'static str,
        /// The problem document, as text.
        problem: String,
        /// When to come again, where it says so.
        retry_after: Option<Duration>,
    },
    /// The authority does not offer the configured challenge for a name.
    #[error(
        "the ACME server offers no {method} challenge for {name}, only {offered}; set acme.challenge to one of these, or \
         remove the name from server.hosts"
    )]
    NotOffered {
        /// The name.
        name: String,
        /// The configured challenge.
        method: AcmeChallenge,
        /// What is there.
        offered: String,
    },
    /// The authority looked, and did not find what it wanted to see.
    #[error("the ACME server could not validate {}", listed(failures, *method))]
    NotValidated {
        /// Each name that failed.
        failures: Vec<FailedName>,
        /// How it was tried.
        method: AcmeChallenge,
    },
    /// The authority did not come to an end in time.
    #[error("the ACME server did not finish within {} s ({doing}); try again later: portcullis cert request", limit.as_secs())]
    TooSlow {
        /// What was waited for.
        doing: &'static str,
        /// How long.
        limit: Duration,
    },
    /// Another process orders at this moment.
    #[error(
        "another process (the running server?) is ordering a certificate at this moment; look at its log, or try again in a minute"
    )]
    Busy,
    /// The certificate lacks a name.
    #[error("the certificate from the ACME server is not for {name}, which was asked for; nothing was changed")]
    NameMissing {
        /// The name.
        name: String,
    },
    /// The key of the external account cannot be read as one.
    #[error("{path} holds no key in base64url: put there what the authority shows as the key of the external account")]
    ExternalAccountKey {
        /// The file.
        path: String,
    },
    /// The stored account is damaged.
    #[error(
        "the stored ACME account for {directory} is damaged; remove its row of acme_accounts, and a new account is made"
    )]
    DamagedAccount {
        /// The address of the directory.
        directory: String,
    },
    /// Accounts and challenges could not be read or written.
    #[error("{0}")]
    AcmeStore(AcmeStoreError),
    /// A file or certificate is at fault.
    #[error(transparent)]
    Tls(#[from] PkiError),
}

/// A name that could not be validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedName {
    /// The name or address.
    pub name: String,
    /// The problem's type and detail.
    pub problem: String,
}

impl AcmeError {
    /// Puts the client library's error into our words.
    pub(super) fn client(
        directory: &str,
        doing: &'static str,
        retry_after: Option<Duration>,
    ) -> impl FnOnce(ClientError) -> Self {
        let directory = directory.to_owned();
        move |error| match error {
            ClientError::Api(problem) => Self::Refused { directory, doing, problem: told(&problem), retry_after },
            error => Self::Unreachable { directory, doing, reason: with_causes(&error) },
        }
    }

    /// How long to wait before trying again, where the authority says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// The type (without its long prefix), the detail, and what is told of single names.
pub(super) fn told(problem: &Problem) -> String {
    let mut text = one(problem.r#type.as_deref(), problem.detail.as_deref());
    for sub in &problem.subproblems {
        let name = sub.identifier.as_ref().map(|name| name.authorized(false).to_string()).unwrap_or_default();
        text = format!("{text}; {name}: {}", one(sub.r#type.as_deref(), sub.detail.as_deref()));
    }
    text
}

fn one(kind: Option<&str>, detail: Option<&str>) -> String {
    // It comes from outside, and goes to a log and a terminal.
    let plain = |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(1000).collect() };
    let kind = kind.map(|kind| kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind));
    format!("{} ({})", plain(detail.unwrap_or("no detail given")), plain(kind.unwrap_or("no type given")))
}

/// The error and its causes, each once.
fn with_causes(error: &ClientError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let told = inner.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = inner.source();
    }
    text
}

fn trusts(reason: &str) -> &'static str {
    if reason.contains("certificate") { " and trusts its certificate (acme.directory_ca)" } else { "" }
}

fn waits(retry_after: Option<Duration>) -> String {
    retry_after.map(|wait| format!("; it asks to wait {} s", wait.as_secs())).unwrap_or_default()
}

fn listed(failures: &[FailedName], method: AcmeChallenge) -> String {
    let one = |failed: &FailedName| format!("{}: {}", failed.name, failed.problem);
    let list: Vec<String> = failures.iter().map(one).collect();
    format!("{}. {}", list.join("; "), Advice(method))
}

/// What to look at.
struct Advice(AcmeChallenge);

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leads_to = match self.0 {
            AcmeChallenge::TlsAlpn01 => "this registry's own port (server.listen), with TLS passed through unopened",
            AcmeChallenge::Http01 => "acme.http_listen",
        };
        write!(
            f,
            "Check that each name resolves to this host as the authority sees it, and that port {} there is reachable from outside and \
             leads to {leads_to} (challenge {})",
            self.0.public_port(),
            self.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_name_is_told_with_what_to_check() {
        let failures = vec![FailedName { name: "a.test".to_owned(), problem: "refused (connection)".to_owned() }];
        let text = AcmeError::NotValidated { failures, method: AcmeChallenge::Http01 }.to_string();
        assert!(text.contains("could not validate a.test: refused (connection)."), "{text}");
        assert!(text.contains("port 80") && text.contains("acme.http_listen"), "{text}");
    }

    #[test]
    fn problems_are_told_with_type_and_names_and_without_control_characters() {
        let problem: Problem = serde_json::from_str(
            r#"{"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "no\u001b[31m way",
                "subproblems": [{"type": "urn:x", "detail": "bad", "identifier": {"type": "dns", "value": "b.test"}}]}"#,
        )
        .unwrap();
        assert_eq!(told(&problem), "no[31m way (rejectedIdentifier); b.test: bad (urn:x)");
    }

    #[test]
    fn a_refusal_says_how_long_to_wait() {
        let problem: Problem = serde_json::from_str(r#"{"type": "urn:ietf:params:acme:error:rateLimited"}"#).unwrap();
        let wait = Duration::from_mins(10);
        let error = AcmeError::client("https://ca.test", "ordering", Some(wait))(ClientError::Api(problem));
        assert!(
            error.to_string().contains("rateLimited") && error.to_string().contains("it asks to wait 600 s"),
            "{error}"
        );
        assert_eq!(error.retry_after(), Some(wait));
    }
}
