//! Who can read the keys, and who owns them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Subject;
use crate::doctor::finding::Finding;
use crate::pki::{PkiPaths, key_exposure};

const CHECK: &str = "keys";
/// Read or write by group or others.
const EXPOSED: u32 = 0o066;
/// Anything by others.
const OTHERS: u32 = 0o007;
/// Write by group or others.
const WRITABLE: u32 = 0o022;

/// What follows where others can read or write something.
const KEY: &str = "anyone who has the keys can impersonate the registry; the server does not start like this";
const CERTIFICATES: &str = "anyone who can write there can replace what the server shows to its clients";
const DATABASE: &str =
    "anyone who can read it can try passwords against its hashes; anyone who can write it can change every right";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let data = &subject.data.path;
    let owner = fs::metadata(data).map(|meta| meta.uid()).unwrap_or_default();
    let paths = PkiPaths::new(data);
    let mut findings = Vec::new();
    let mut count = 0;
    for directory in [paths.authority_dir(), paths.serving_dir(), data.join("keys")] {
        match files(&directory) {
            Ok(files) => {
                count += files.len();
                findings.extend(look(&directory, (WRITABLE, CERTIFICATES), "700", owner));
                findings.extend(files.iter().filter_map(|file| look_at_file(file, owner)));
            }
            // With the operator's own certificate there is no CA and no certificate of ours.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => findings.push(Finding::unknown(CHECK, format!("{}: {error}", directory.display()))),
        }
    }
    findings.extend(look(&subject.data.database, (EXPOSED, DATABASE), "600", owner));
    if let Some(pair) = subject.config.tls.pair() {
        // It may belong to another user, who renews it.
        findings.extend(key_exposure(pair.private_key).map(|error| {
            let text = error.to_string();
            let (what, fix) = text.rsplit_once("; ").unwrap_or((&text, "chmod 600"));
            let fix = fix.strip_prefix("run: ").unwrap_or(fix);
            Finding::problem(CHECK, what, "the server does not start with it", fix)
        }));
    }
    if findings.is_empty() {
        findings
            .push(Finding::ok(CHECK, format!("{count} files in ca, tls and keys; only their owner can read the keys")));
    }
    findings
}

/// Keys, encrypted or not, are for their owner alone; others may read certificates and names.
fn look_at_file(file: &Path, owner: u32) -> Option<Finding> {
    let is_key = file.file_name().is_some_and(|name| name.to_string_lossy().contains("key"));
    if is_key { look(file, (EXPOSED, KEY), "600", owner) } else { look(file, (WRITABLE, CERTIFICATES), "644", owner) }
}

/// `forbidden` says which bits must not be set, and what follows where others have them.
fn look(path: &Path, forbidden: (u32, &'static str), wanted: &str, owner: u32) -> Option<Finding> {
    exposed(path, forbidden, wanted).or_else(|| {
        let uid = fs::symlink_metadata(path).ok()?.uid();
        (uid != owner).then(|| {
            let path = path.display();
            Finding::problem(
                CHECK,
                format!("{path} belongs to user {uid}, the data directory to user {owner}"),
                "the server may be unable to read or renew it",
                format!("chown {owner} {path}"),
            )
        })
    })
}

fn exposed(path: &Path, (forbidden, why): (u32, &'static str), wanted: &str) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    if mode & forbidden & OTHERS == 0 && mode & forbidden != 0 && forbidden == EXPOSED {
        return Some(Finding::warning(
            CHECK,
            format!("{} has mode {mode:04o}: its group can read or write it", path.display()),
            "the next start corrects the mode of keys and logs that; a group that can write the database can change everything in it",
            format!("chmod {wanted} {}", path.display()),
        ));
    }
    (mode & forbidden != 0).then(|| {
        let path = path.display();
        let may = if mode & forbidden & WRITABLE != 0 { "write" } else { "read" };
        Finding::problem(
            CHECK,
            format!("{path} has mode {mode:04o}: users other than its owner can {may} it"),
            why,
            format!("chmod {wanted} {path}"),
        )
    })
}

/// The files of a directory, in order.
fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries: Result<Vec<PathBuf>, _> =
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files: Vec<PathBuf> = entries?.into_iter().filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}
