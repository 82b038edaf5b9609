//! The warning that a certificate is about to expire.

use jiff::Timestamp;

use super::{Identity, Origin};
use crate::pki::lifetime::warning_time;

/// From 14 days before the end of a certificate (of a short-lived one, from a time that leaves renewal its due): what is about to
/// happen, and what to do.
pub(crate) fn expiry_warning(identity: &Identity, now: Timestamp) -> Option<String> {
    let (from, until) = (identity.summary().not_before, identity.summary().not_after);
    let left = until.as_second().saturating_sub(now.as_second());
    if left > warning_time(from, until) {
        return None;
    }
    let fix = match identity.origin() {
        Origin::ManagedCa => "run `portcullis cert renew`",
        Origin::Acme => "run `portcullis cert request`, which says why it is not renewed",
        Origin::Imported => "run `portcullis cert import --cert FILE --key FILE` with a newer one",
        Origin::Configured => "replace the files that tls.certificate and tls.private_key name",
    };
    let when = if left < 0 { "expired" } else { "expires" };
    Some(format!("the certificate in use {when} on {until}: {fix}"))
}
