//! What the registry's script (`domain::trust_script`) wrote on this host, as its record tells: the program takes that over, so that
//! `untrust` removes it and `trust` moves on from it.
//!
//! The record is lines of `registry HOST:PORT`, `ca HEX`, `directory - PATH` and `file SHA256 PATH`, the newest last.

use std::path::{Path, PathBuf};

use super::error::TrustError;
use super::file;
use super::install_record::{InstallRecord, WrittenFile};
use super::os_store::OsStore;

/// Where the record is, next to the manifest.
pub(super) fn path(manifest: &Path) -> PathBuf {
    manifest.with_extension("script")
}

/// Adds what the script wrote to what the program did; `None` where neither wrote anything.
pub(super) fn merge(manifest: Option<InstallRecord>, path: &Path) -> Result<Option<InstallRecord>, TrustError> {
    let Some(bytes) = file::read(path)? else { return Ok(manifest) };
    let by_program = manifest.is_some();
    let mut manifest = manifest.unwrap_or_else(|| InstallRecord::of(""));
    for line in String::from_utf8_lossy(&bytes).lines() {
        match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["registry", name] if !by_program => name.clone_into(&mut manifest.registry),
            ["ca", hex] if !by_program => hex.clone_into(&mut manifest.ca_sha256),
            ["directory", _, path] => manifest.note_directories(&[PathBuf::from(path)]),
            ["file", sha256, path] => add(&mut manifest.files, sha256, Path::new(path)),
            _ => {}
        }
    }
    Ok(Some(manifest))
}

/// A later line tells what was written over what an earlier one tells of.
fn add(files: &mut Vec<WrittenFile>, sha256: &str, path: &Path) {
    let before = files.iter().position(|file| file.path == path).map(|at| files.remove(at).sha256);
    let (path, sha256, os_store) = (path.to_owned(), sha256.to_owned(), OsStore::holds(path));
    files.push(WrittenFile { path, sha256, before, os_store });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_a_manifest_and_adds_to_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.test+5000.script");
        assert_eq!(merge(None, &path).unwrap(), None);
        let store = "/usr/local/share/ca-certificates/portcullis-r.test+5000.crt";
        let text = format!(
            "registry r.test:5000\nca 01\ndirectory - /etc/docker/certs.d\nfile aa /etc/docker/certs.d/a b/ca.crt\nca 02\n\
             file bb /etc/docker/certs.d/a b/ca.crt\nfile bb {store}\nnonsense\n"
        );
        std::fs::write(&path, text).unwrap();
        let manifest = merge(None, &path).unwrap().unwrap();
        assert_eq!((manifest.registry.as_str(), manifest.ca_sha256.as_str()), ("r.test:5000", "02"));
        assert_eq!(manifest.directories, [PathBuf::from("/etc/docker/certs.d")]);
        let [file, in_store] = &manifest.files[..] else { panic!("{manifest:?}") };
        assert_eq!((file.sha256.as_str(), file.before.as_deref(), file.os_store), ("bb", Some("aa"), false));
        assert!(file.path.ends_with("a b/ca.crt") && in_store.os_store);
        let mut own = InstallRecord::of("r.test:5000");
        own.ca_sha256 = "03".to_owned();
        let both = merge(Some(own), &path).unwrap().unwrap();
        assert_eq!((both.ca_sha256.as_str(), both.files.len()), ("03", 2));
    }
}
