//! Who may read the keys, and whose they are.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Subject;
use crate::doctor::finding::Finding;
use crate::pki::{TlsPaths, key_exposure};

const CHECK: &str = "keys";
/// Read or write by group or others.
const EXPOSED: u32 = 0o066;
/// Anything by others.
const OTHERS: u32 = 0o007;
/// Write by group or others.
const WRITABLE: u32 = 0o022;

pub(crate) fn check(subject: &Subject) -> Vec<Finding> {
    let data = subject.data.path();
    let owner = fs::metadata(data).map(|meta| meta.uid()).unwrap_or_default();
    let paths = TlsPaths::new(data);
    let mut findings = Vec::new();
    let mut count = 0;
    for directory in [paths.authority_dir(), paths.serving_dir(), data.join("keys")] {
        match files(&directory) {
            Ok(files) => {
                count += files.len();
                findings.extend(look(&directory, WRITABLE, "700", owner));
                findings.extend(files.iter().filter_map(|file| look_at_file(file, owner)));
            }
            // The operator's own certificate needs neither.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => findings.push(Finding::unknown(CHECK, format!("{}: {error}", directory.display()))),
        }
    }
    findings.extend(look(&subject.data.database(), EXPOSED, "600", owner));
    if let Some(pair) = subject.config.tls.pair() {
        // It may belong to another user, who renews it.
        findings.extend(key_exposure(pair.private_key).map(|error| {
            let text = error.to_string();
            let (what, fix) = text.rsplit_once("; ").unwrap_or((&text, "chmod 600"));
            let fix = fix.strip_prefix("run: ").unwrap_or(fix);
            Finding::problem(CHECK, what, "the server does not start like this", fix)
        }));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            CHECK,
            format!("{count} files below ca, tls and keys, the keys among them for their owner alone"),
        ));
    }
    findings
}

/// Keys, sealed or not, are for their owner alone; certificates and names may be read.
fn look_at_file(file: &Path, owner: u32) -> Option<Finding> {
    let is_key = file.file_name().is_some_and(|name| name.to_string_lossy().contains("key"));
    if is_key { look(file, EXPOSED, "600", owner) } else { look(file, WRITABLE, "644", owner) }
}

fn look(path: &Path, forbidden: u32, wanted: &str, owner: u32) -> Option<Finding> {
    exposed(path, forbidden, wanted).or_else(|| {
        let uid = fs::symlink_metadata(path).ok()?.uid();
        (uid != owner).then(|| {
            let path = path.display();
            Finding::problem(
                CHECK,
                format!("{path} belongs to the user {uid}, the data directory to the user {owner}"),
                "the server may be unable to read or renew it",
                format!("chown {owner} {path}"),
            )
        })
    })
}

fn exposed(path: &Path, forbidden: u32, wanted: &str) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    if mode & forbidden & OTHERS == 0 && mode & forbidden != 0 && forbidden == EXPOSED {
        return Some(Finding::warning(
            CHECK,
            format!("{} has mode {mode:04o}: its group may read or write it", path.display()),
            "the next start puts keys right, and says so; a group that writes the database writes everything",
            format!("chmod {wanted} {}", path.display()),
        ));
    }
    (mode & forbidden != 0).then(|| {
        let path = path.display();
        let may = if mode & forbidden & WRITABLE != 0 { "write" } else { "read" };
        Finding::problem(
            CHECK,
            format!("{path} has mode {mode:04o}: others than its owner may {may} it"),
            "whoever has the keys is the registry to every client; the server does not start like this",
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
