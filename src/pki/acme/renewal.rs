//! When a certificate is ordered: the decision alone, without clock, network or files.

use std::fmt;

use instant_acme::RenewalInfo;
use jiff::Timestamp;

use crate::pki::lifetime::renewal_due;
use crate::pki::{CertificateSummary, SubjectName};

/// Why to order now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No ordered certificate is served.
    First,
    /// It lacks a name.
    Names,
    /// It was ordered from another authority.
    Directory,
    /// The authority suggests it: in time for its own plans, or because it has revoked the certificate.
    Suggested,
    /// Two thirds of its life have passed.
    Age,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "there is none yet",
            Self::Names => "the current one lacks a name",
            Self::Directory => "the current one is from another authority",
            Self::Suggested => "the authority suggests to renew now",
            Self::Age => "two thirds of its life have passed",
        })
    }
}

/// The ordered certificate that is served.
#[derive(Debug, Clone)]
pub(crate) struct CurrentCertificate {
    pub(crate) summary: CertificateSummary,
    /// Where it was ordered.
    pub(crate) directory: Option<String>,
    /// The moment that was chosen within the authority's suggestion.
    pub(crate) suggested: Option<Timestamp>,
}

/// Whether to order now. Where the authority suggests a time, that counts, but never beyond nine tenths of the life.
pub(crate) fn due(
    held: Option<&CurrentCertificate>,
    names: &[SubjectName],
    directory: &str,
    now: Timestamp,
) -> Option<Reason> {
    let Some(held) = held else { return Some(Reason::First) };
    let summary = &held.summary;
    if names.iter().any(|name| !summary.names.contains(&name.to_string())) {
        return Some(Reason::Names);
    }
    if held.directory.as_deref() != Some(directory) {
        return Some(Reason::Directory);
    }
    match held.suggested {
        Some(at) => (now >= at.min(last_call(summary))).then_some(Reason::Suggested),
        None => renewal_due(summary.not_before, summary.not_after, now).then_some(Reason::Age),
    }
}

/// A moment within the suggested window, spread evenly by `random`, so that not everyone comes at once (RFC 9773, section 4.2).
pub(crate) fn choose(suggestion: &RenewalInfo, random: u64) -> Timestamp {
    let (start, end) =
        (suggestion.suggested_window.start.unix_timestamp(), suggestion.suggested_window.end.unix_timestamp());
    let span = u64::try_from(end.saturating_sub(start)).unwrap_or(0).saturating_add(1);
    let offset = i64::try_from(random % span).unwrap_or(0);
    Timestamp::from_second(start.saturating_add(offset)).unwrap_or(Timestamp::MAX)
}

fn last_call(summary: &CertificateSummary) -> Timestamp {
    let life = summary.not_after.as_second().saturating_sub(summary.not_before.as_second());
    Timestamp::from_second(summary.not_before.as_second() + life / 10 * 9).unwrap_or(summary.not_after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::net::Fingerprint;

    const DIRECTORY: &str = "https://ca.test/dir";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn held(suggested: Option<i64>) -> CurrentCertificate {
        let summary = CertificateSummary {
            subject: String::new(),
            issuer: String::new(),
            addresses: Vec::new(),
            misplaced: Vec::new(),
            names: vec!["registry.test".to_owned(), "192.0.2.7".to_owned()],
            not_before: at(0),
            not_after: at(1000),
            fingerprint: Fingerprint::of_der(b""),
        };
        CurrentCertificate { summary, directory: Some(DIRECTORY.to_owned()), suggested: suggested.map(at) }
    }

    fn names(list: &[&str]) -> Vec<SubjectName> {
        list.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn decide(held: &CurrentCertificate, now: i64) -> Option<Reason> {
        due(Some(held), &names(&["registry.test"]), DIRECTORY, at(now))
    }

    #[test]
    fn without_a_suggestion_age_decides() {
        assert_eq!(decide(&held(None), 665), None);
        assert_eq!(decide(&held(None), 666), Some(Reason::Age));
    }

    #[test]
    fn a_suggestion_counts_early_and_late_but_not_too_late() {
        assert_eq!(decide(&held(Some(300)), 299), None);
        assert_eq!(decide(&held(Some(300)), 300), Some(Reason::Suggested));
        assert_eq!(decide(&held(Some(800)), 700), None, "the authority knows better than two thirds");
        assert_eq!(decide(&held(Some(5000)), 899), None);
        assert_eq!(decide(&held(Some(5000)), 900), Some(Reason::Suggested));
    }

    #[test]
    fn a_revoked_certificate_is_replaced_at_once() {
        // A revoking authority moves the window into the past.
        let revoked: RenewalInfo = serde_json::from_str(
            r#"{"suggestedWindow": {"start": "1969-12-30T00:00:00Z", "end": "1969-12-31T00:00:00Z"}}"#,
        )
        .unwrap();
        let chosen = choose(&revoked, u64::MAX).as_second();
        assert_eq!(decide(&held(Some(chosen)), 1), Some(Reason::Suggested));
    }

    #[test]
    fn the_moment_is_within_the_window() {
        let window = |start, end| -> RenewalInfo {
            serde_json::from_str(&format!(r#"{{"suggestedWindow": {{"start": "{start}", "end": "{end}"}}}}"#)).unwrap()
        };
        let hour = window("1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z");
        assert_eq!(choose(&hour, 0), at(0));
        assert_eq!(choose(&hour, 3600), at(3600));
        assert_eq!(choose(&hour, 3601), at(0));
        assert_eq!(choose(&window("1970-01-01T01:00:00Z", "1970-01-01T00:00:00Z"), 7), at(3600), "an absurd window");
    }

    #[test]
    fn another_name_or_authority_is_ordered_again() {
        assert_eq!(due(None, &[], DIRECTORY, at(1)), Some(Reason::First));
        assert_eq!(due(Some(&held(None)), &names(&["b.test"]), DIRECTORY, at(1)), Some(Reason::Names));
        assert_eq!(
            due(Some(&held(None)), &names(&["192.0.2.7"]), DIRECTORY, at(1)),
            None,
            "one name less does not count"
        );
        assert_eq!(due(Some(&held(None)), &[], "https://other.test", at(1)), Some(Reason::Directory));
    }
}
