//! The certificates: when they expire, their names, and whether the CA may sign for these.

use jiff::Timestamp;

use super::Subject;
use crate::doctor::finding::Finding;
use crate::pki::inspect;
use crate::pki::{
    EXPIRY_WARNING, ISSUING_WARNING, Identity, IdentitySource, Inspected, Origin, PkiError, PkiPaths, ROOT_WARNING,
    SubjectName, expiry_warning,
};

const CHECK: &str = "certificate";
/// What helps if the root has expired: it can no longer sign a transition to a new one.
const ROTATE: &str =
    "portcullis ca rotate --at-once, then have every host trust the new CA (portcullis ca trust-command)";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    let identity = served(subject);
    match &identity {
        Ok(identity) => {
            findings.push(in_date(identity, subject.clock.now()));
            findings.extend(compatibility(subject, identity));
            findings.extend(not_ordered_yet(subject, identity));
            findings.extend(names(subject, identity));
        }
        Err(error) => findings.push(Finding::problem(
            CHECK,
            error.to_string(),
            "the server cannot start with it, or keeps the previous one until it is restarted",
            fix(subject),
        )),
    }
    if identity.map_or_else(|_| subject.config.tls.pair().is_none(), |identity| identity.origin() == Origin::ManagedCa)
    {
        findings.extend(authority(subject));
    }
    findings
}

/// The certificate that is served, read and neither issued nor renewed.
pub(super) fn served(subject: &Subject) -> Result<Identity, PkiError> {
    source(subject).load()
}

fn source(subject: &Subject) -> IdentitySource {
    if let Some(pair) = subject.config.tls.pair() {
        return IdentitySource::files(&subject.data.path, pair.certificate, pair.private_key);
    }
    let source = IdentitySource::data_directory(&subject.data.path, Vec::new());
    if subject.config.acme.is_enabled() { source.with_acme() } else { source }
}

fn fix(subject: &Subject) -> String {
    match subject.config.tls.pair() {
        Some(pair) => format!(
            "put a current chain into {} and its key into {}",
            pair.certificate.display(),
            pair.private_key.display()
        ),
        None if subject.config.acme.is_enabled() => "portcullis cert request".to_owned(),
        None if PkiPaths::new(&subject.data.path).imported_chain().exists() => {
            "portcullis cert import --cert FILE --key FILE".to_owned()
        }
        None if root_is_out_of_time(subject) => ROTATE.to_owned(),
        None => "portcullis cert renew".to_owned(),
    }
}

/// Whether the root has expired or is not yet valid: then nothing that it signs is accepted.
fn root_is_out_of_time(subject: &Subject) -> bool {
    let root = inspect(&PkiPaths::new(&subject.data.path).root_certificate()).ok();
    let now = subject.clock.now();
    root.and_then(|root| root.into_iter().next())
        .is_some_and(|root| now > root.summary.not_after || now < root.summary.not_before)
}

/// What some clients do not accept in a certificate that is served nevertheless.
fn compatibility(subject: &Subject, identity: &Identity) -> Vec<Finding> {
    let finding = |warning: &String| {
        let (what, more) = warning.split_once("; ").map_or((warning.as_str(), None), |(what, more)| (what, Some(more)));
        let fix = more.map_or_else(|| fix(subject), |more| format!("{more}; then: {}", fix(subject)));
        Finding::warning(CHECK, what, "some clients may reject the registry because of it", fix)
    };
    identity.warnings().iter().map(finding).collect()
}

fn in_date(identity: &Identity, now: Timestamp) -> Finding {
    let summary = identity.summary();
    match expiry_warning(identity, now) {
        Some(warning) => {
            let (what, fix) = warning.split_once(": ").unwrap_or((&warning, "portcullis cert show"));
            Finding::warning(CHECK, what, "after that every client rejects it", fix)
        }
        None => Finding::ok(
            CHECK,
            format!("{} for {}, until {}", identity.origin(), summary.names.join(", "), summary.not_after),
        ),
    }
}

/// With ACME switched on, our own certificate is only a fallback.
fn not_ordered_yet(subject: &Subject, identity: &Identity) -> Option<Finding> {
    (subject.config.acme.is_enabled() && identity.origin() == Origin::ManagedCa).then(|| {
        Finding::warning(
            CHECK,
            "ACME is switched on, but the registry's own certificate is served: none has been issued yet, or it is unusable",
            "clients that do not trust this registry's CA reject it",
            "portcullis cert request",
        )
    })
}

/// The names that clients are to use against those of the certificate.
fn names(subject: &Subject, identity: &Identity) -> Vec<Finding> {
    // An address counts only if it is listed as an address.
    let summary = identity.summary();
    let has = |name: &SubjectName| match name {
        SubjectName::Ip(address) => summary.addresses.contains(address),
        SubjectName::Dns(_) => summary.names.iter().any(|pattern| covers(pattern, name)),
    };
    let wanted: Vec<SubjectName> = subject.config.server.hosts.iter().map(SubjectName::from).collect();
    let mut findings: Vec<Finding> =
        wanted.iter().filter(|name| !has(name)).map(|name| missing(subject, identity, name)).collect();
    if wanted.is_empty() {
        let missing: Vec<String> = subject.machine.iter().filter(|name| !has(name)).map(ToString::to_string).collect();
        findings.extend((!missing.is_empty()).then(|| {
            Finding::warning(
                "names",
                format!(
                    "this machine is also known as {}, and the certificate does not include that",
                    missing.join(", ")
                ),
                "clients that use one of these names get a name error; ignore this if none does",
                "set server.hosts to every name in use; `portcullis doctor` then says whether the CA may sign for them",
            )
        }));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("names", "the certificate includes every name in use"));
    }
    findings
}

fn missing(subject: &Subject, identity: &Identity, name: &SubjectName) -> Finding {
    let what = format!("server.hosts contains {name}, but the certificate does not");
    let why = "clients that use this name reject the certificate";
    if identity.origin() != Origin::ManagedCa {
        return Finding::problem(
            "names",
            what,
            why,
            format!("get a certificate that includes {name}: {}", fix(subject)),
        );
    }
    let root = inspect(&PkiPaths::new(&subject.data.path).root_certificate()).ok();
    let permitted = root.and_then(|root| root.into_iter().next()).is_some_and(|root| root.permitted.permits(name));
    if permitted {
        return Finding::problem("names", what, why, "portcullis cert renew");
    }
    Finding::problem(
        "names",
        format!("{what}, and the CA may not sign for it"),
        why,
        format!("portcullis ca rotate --host {name} (or remove {name} from server.hosts)"),
    )
}

/// Whether a name of a certificate covers `name`; a wildcard covers one label.
fn covers(pattern: &str, name: &SubjectName) -> bool {
    let name = name.to_string();
    match pattern.strip_prefix("*.") {
        Some(rest) => name.split_once('.').is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)),
        None => pattern.eq_ignore_ascii_case(&name),
    }
}

/// Root and issuing certificate, and the transition from a previous root.
fn authority(subject: &Subject) -> Vec<Finding> {
    let paths = PkiPaths::new(&subject.data.path);
    let now = subject.clock.now();
    let one = |path: &std::path::Path| inspect(path).map(|mut found| found.swap_remove(0));
    let issuing = match one(&paths.issuing_certificate()) {
        Ok(issuing) => issuing_finding(&issuing, &paths, now),
        Err(error) => Finding::problem("ca", error.to_string(), "no certificate can be signed", sign_again(&paths)),
    };
    let root = match one(&paths.root_certificate()) {
        Ok(root) => root_finding(&root, now),
        Err(error) => Finding::problem(
            "ca",
            error.to_string(),
            "clients have no CA to trust",
            format!("restore {} from a backup", paths.root_certificate().display()),
        ),
    };
    // It exists only during a rotation.
    let transition = one(&paths.cross_certificate()).ok().and_then(|cross| transition(&cross, now));
    [issuing, root].into_iter().chain(transition).collect()
}

/// What creates a new issuing certificate, depending on where the root key is.
fn sign_again(paths: &PkiPaths) -> &'static str {
    if paths.root_key().exists() {
        "portcullis cert renew"
    } else if paths.sealed_root_key().exists() {
        "portcullis ca unseal, then portcullis cert renew"
    } else {
        "portcullis ca unseal --from FILE, then portcullis cert renew"
    }
}

fn issuing_finding(issuing: &Inspected, paths: &PkiPaths, now: Timestamp) -> Finding {
    let until = issuing.summary.not_after;
    let left = until.as_second() - now.as_second();
    // With the root key in the data directory, it is renewed in time.
    let from = if paths.root_key().exists() { EXPIRY_WARNING } else { ISSUING_WARNING };
    if left > from.as_secs().cast_signed() {
        return Finding::ok("ca", format!("the issuing certificate is valid until {until}"));
    }
    let why = "after that no certificate can be signed, and the last one expires with it";
    if left > 0 {
        return Finding::warning("ca", format!("the issuing certificate expires on {until}"), why, sign_again(paths));
    }
    Finding::problem("ca", format!("the issuing certificate expired on {until}"), why, sign_again(paths))
}

fn root_finding(root: &Inspected, now: Timestamp) -> Finding {
    let (until, pin) = (root.summary.not_after, root.summary.fingerprint);
    let left = until.as_second() - now.as_second();
    if left > ROOT_WARNING.as_secs().cast_signed() {
        return Finding::ok("ca", format!("the root certificate (SHA-256 {pin}) is valid until {until}"));
    }
    let why = "every host that trusts it must trust a new one before that day";
    if left > 0 {
        return Finding::warning("ca", format!("the root certificate expires on {until}"), why, "portcullis ca rotate");
    }
    let why = "every client rejects the registry";
    Finding::problem("ca", format!("the root certificate expired on {until}"), why, ROTATE)
}

/// How long hosts that trust the previous root are served.
fn transition(cross: &Inspected, now: Timestamp) -> Option<Finding> {
    let until = cross.summary.not_after;
    let left = until.as_second() - now.as_second();
    let what = format!("hosts that trust the previous root are served until {until}");
    if left > EXPIRY_WARNING.as_secs().cast_signed() {
        return Some(Finding::ok("ca", what));
    }
    let fix = "on each host that still trusts only the previous root: portcullis trust HOST[:PORT]";
    (left > 0).then(|| Finding::warning("ca", what, "after that they reject the registry", fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label() {
        let covers = |pattern: &str, name: &str| covers(pattern, &name.parse().unwrap());
        assert!(covers("*.test", "r.test") && covers("R.test", "r.test") && covers("10.0.0.1", "10.0.0.1"));
        assert!(!covers("*.test", "a.r.test") && !covers("*.test", "test") && !covers("r.test", "a.r.test"));
    }
}
