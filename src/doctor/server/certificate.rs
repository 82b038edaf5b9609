//! The certificates: until when, for which names, and whether the CA behind them may sign for these.

use jiff::Timestamp;

use super::Subject;
use crate::doctor::finding::Finding;
use crate::node::host_names::{of_this_machine, subject_name};
use crate::pki::{
    EXPIRY_WARNING, ISSUING_WARNING, Identity, IdentitySource, Inspected, Origin, ROOT_WARNING, SubjectName, TlsError,
    TlsPaths, expiry_warning, inspect,
};

const CHECK: &str = "certificate";
/// What helps where the root has expired: it can hand over to no other.
const ROTATE: &str =
    "portcullis ca rotate --at-once, then have every host trust the new CA (portcullis ca trust-command)";

pub(crate) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    let identity = served(subject);
    match &identity {
        Ok(identity) => {
            findings.push(in_date(identity));
            findings.extend(stumbling_blocks(subject, identity));
            findings.extend(not_ordered_yet(subject, identity));
            findings.extend(names(subject, identity));
        }
        Err(error) => findings.push(Finding::problem(
            CHECK,
            error.to_string(),
            "the server cannot start with it, or goes on with an older one until it is restarted",
            mend(subject),
        )),
    }
    if identity.map_or_else(|_| subject.config.tls.pair().is_none(), |identity| identity.origin() == Origin::Own) {
        findings.extend(authority(subject));
    }
    findings
}

/// The certificate that is served, read and neither issued nor renewed.
pub(crate) fn served(subject: &Subject) -> Result<Identity, TlsError> {
    source(subject).load()
}

fn source(subject: &Subject) -> IdentitySource {
    if let Some(pair) = subject.config.tls.pair() {
        return IdentitySource::files(subject.data.path(), pair.certificate, pair.private_key);
    }
    let source = IdentitySource::data_directory(subject.data.path(), Vec::new());
    if subject.config.acme.is_enabled() { source.with_acme() } else { source }
}

fn mend(subject: &Subject) -> String {
    match subject.config.tls.pair() {
        Some(pair) => format!(
            "put a current chain into {} and its key into {}",
            pair.certificate.display(),
            pair.private_key.display()
        ),
        None if subject.config.acme.is_enabled() => "portcullis cert request".to_owned(),
        None if TlsPaths::new(subject.data.path()).imported_chain().exists() => {
            "portcullis cert import --cert FILE --key FILE".to_owned()
        }
        None if root_is_out_of_time(subject) => ROTATE.to_owned(),
        None => "portcullis cert renew".to_owned(),
    }
}

/// Whether the root would have to sign outside of its time: then nothing that it signs is accepted.
fn root_is_out_of_time(subject: &Subject) -> bool {
    let root = inspect(&TlsPaths::new(subject.data.path()).root_certificate()).ok();
    let now = Timestamp::now();
    root.and_then(|root| root.into_iter().next())
        .is_some_and(|root| now > root.summary.not_after || now < root.summary.not_before)
}

/// What some clients do not accept of a certificate that is served all the same.
fn stumbling_blocks(subject: &Subject, identity: &Identity) -> Vec<Finding> {
    let tell = |warning: &String| {
        let (what, more) = warning.split_once("; ").map_or((warning.as_str(), None), |(what, more)| (what, Some(more)));
        let fix = more.map_or_else(|| mend(subject), |more| format!("{more}; then: {}", mend(subject)));
        Finding::warning(CHECK, what, "some clients may refuse the registry for it", fix)
    };
    identity.warnings().iter().map(tell).collect()
}

fn in_date(identity: &Identity) -> Finding {
    let summary = identity.summary();
    match expiry_warning(identity, Timestamp::now()) {
        Some(warning) => {
            let (what, mend) = warning.split_once(": ").unwrap_or((&warning, "portcullis cert show"));
            Finding::warning(CHECK, what, "from then on every client refuses it", mend)
        }
        None => Finding::ok(
            CHECK,
            format!("{} for {}, until {}", identity.origin(), summary.names.join(", "), summary.not_after),
        ),
    }
}

/// With ACME switched on, our own certificate only stands in.
fn not_ordered_yet(subject: &Subject, identity: &Identity) -> Option<Finding> {
    (subject.config.acme.is_enabled() && identity.origin() == Origin::Own).then(|| {
        Finding::warning(
            CHECK,
            "ACME is switched on, and the registry's own certificate stands in: none was ordered yet, or it is unusable",
            "clients that do not trust this registry's CA refuse it",
            "portcullis cert request",
        )
    })
}

/// What clients are told to use against what the certificate says.
fn names(subject: &Subject, identity: &Identity) -> Vec<Finding> {
    // An address counts only where it is written as one.
    let summary = identity.summary();
    let has = |name: &SubjectName| match name {
        SubjectName::Ip(address) => summary.addresses.contains(address),
        SubjectName::Dns(_) => summary.names.iter().any(|pattern| covers(pattern, name)),
    };
    let wanted: Vec<SubjectName> = subject.config.server.hosts.iter().map(subject_name).collect();
    let mut findings: Vec<Finding> =
        wanted.iter().filter(|name| !has(name)).map(|name| missing(subject, identity, name)).collect();
    if wanted.is_empty() {
        let missing: Vec<String> =
            of_this_machine().iter().filter(|name| !has(name)).map(ToString::to_string).collect();
        findings.extend((!missing.is_empty()).then(|| {
            Finding::warning(
                "names",
                format!("this machine is also {}, and the certificate is not for that", missing.join(", ")),
                "clients that use one of these names get a name error; if none does, all is well",
                "set server.hosts to every name in use; `portcullis doctor` then says whether the CA may sign for them",
            )
        }));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("names", "the certificate is for every name in use"));
    }
    findings
}

fn missing(subject: &Subject, identity: &Identity, name: &SubjectName) -> Finding {
    let what = format!("server.hosts names {name}, and the certificate is not for it");
    let why = "clients that use this name refuse the certificate";
    if identity.origin() != Origin::Own {
        return Finding::problem(
            "names",
            what,
            why,
            format!("get a certificate that names {name} too: {}", mend(subject)),
        );
    }
    let root = inspect(&TlsPaths::new(subject.data.path()).root_certificate()).ok();
    let permitted = root.and_then(|root| root.into_iter().next()).is_some_and(|root| root.permitted.permits(name));
    if permitted {
        return Finding::problem("names", what, why, "portcullis cert renew");
    }
    Finding::problem(
        "names",
        format!("{what}; the CA may not sign for it either"),
        why,
        format!("portcullis ca rotate --host {name} (or take {name} out of server.hosts)"),
    )
}

/// Whether a name of a certificate is for `name`; a wildcard stands for one label.
fn covers(pattern: &str, name: &SubjectName) -> bool {
    let name = name.to_string();
    match pattern.strip_prefix("*.") {
        Some(rest) => name.split_once('.').is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)),
        None => pattern.eq_ignore_ascii_case(&name),
    }
}

/// Root and issuing certificate, and the hand-over from a root before.
fn authority(subject: &Subject) -> Vec<Finding> {
    let paths = TlsPaths::new(subject.data.path());
    let now = Timestamp::now();
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
            "clients cannot be told what to trust",
            format!("restore {} from a backup", paths.root_certificate().display()),
        ),
    };
    // Outside of a rotation there is none.
    let statement = one(&paths.cross_certificate()).ok().and_then(|statement| hand_over(&statement, now));
    [issuing, root].into_iter().chain(statement).collect()
}

/// What makes a new issuing certificate, by where the root key is.
fn sign_again(paths: &TlsPaths) -> &'static str {
    if paths.root_key().exists() {
        "portcullis cert renew"
    } else if paths.sealed_root_key().exists() {
        "portcullis ca unseal, then portcullis cert renew"
    } else {
        "portcullis ca unseal --from FILE, then portcullis cert renew"
    }
}

fn issuing_finding(issuing: &Inspected, paths: &TlsPaths, now: Timestamp) -> Finding {
    let until = issuing.summary.not_after;
    let left = until.as_second() - now.as_second();
    // With the root key at hand it is made anew in time.
    let from = if paths.root_key().exists() { EXPIRY_WARNING } else { ISSUING_WARNING };
    if left > from.as_secs().cast_signed() {
        return Finding::ok("ca", format!("the issuing certificate is good until {until}"));
    }
    let why = "after that no certificate can be signed, and the last one ends with it";
    if left > 0 {
        return Finding::warning("ca", format!("the issuing certificate ends on {until}"), why, sign_again(paths));
    }
    Finding::problem("ca", format!("the issuing certificate ended on {until}"), why, sign_again(paths))
}

fn root_finding(root: &Inspected, now: Timestamp) -> Finding {
    let (until, pin) = (root.summary.not_after, root.summary.fingerprint);
    let left = until.as_second() - now.as_second();
    if left > ROOT_WARNING.as_secs().cast_signed() {
        return Finding::ok("ca", format!("the root certificate (SHA-256 {pin}) is good until {until}"));
    }
    let why = "every host that trusts it has to trust a new one before that day";
    if left > 0 {
        return Finding::warning("ca", format!("the root certificate ends on {until}"), why, "portcullis ca rotate");
    }
    let why = "every client refuses the registry";
    Finding::problem("ca", format!("the root certificate expired on {until}"), why, ROTATE)
}

/// How long hosts that trust the root before are served.
fn hand_over(statement: &Inspected, now: Timestamp) -> Option<Finding> {
    let until = statement.summary.not_after;
    let left = until.as_second() - now.as_second();
    let what = format!("hosts that trust the root before this one are served until {until}");
    if left > EXPIRY_WARNING.as_secs().cast_signed() {
        return Some(Finding::ok("ca", what));
    }
    let mend = "on each host that has not followed yet: portcullis trust HOST[:PORT]";
    (left > 0).then(|| Finding::warning("ca", what, "from then on they refuse the registry", mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let covers = |pattern: &str, name: &str| covers(pattern, &name.parse().unwrap());
        assert!(covers("*.test", "r.test") && covers("R.test", "r.test") && covers("10.0.0.1", "10.0.0.1"));
        assert!(!covers("*.test", "a.r.test") && !covers("*.test", "test") && !covers("r.test", "a.r.test"));
    }
}
