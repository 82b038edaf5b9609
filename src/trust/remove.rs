//! Trust taken back: what the manifest names and nobody has changed since goes, and the directories that were made for it.

use std::path::PathBuf;

use super::error::TrustError;
use super::file;
use super::host::{Host, Scope};
use super::manifest::{Manifest, WrittenFile, sha256};
use super::os_store::OsStore;
use super::registry_address::RegistryAddress;

/// What becomes of a file that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is removed.
    Removed,
    /// It was gone already.
    Gone,
    /// Somebody has changed it: it stays, and stays in the manifest.
    Changed,
    /// It was there before `trust`, or was put there by other means: it stays.
    Foreign,
}

/// A file, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedFile {
    /// Where, on the host.
    pub path: PathBuf,
    /// What becomes of it.
    pub fate: Fate,
}

/// Removes what [`super::Plan::apply`] wrote for the registry; with `dry_run` only says what would become of each file.
pub fn remove(
    host: &Host,
    scope: &Scope,
    registry: &RegistryAddress,
    dry_run: bool,
) -> Result<Vec<RemovedFile>, TrustError> {
    let path = Manifest::path(scope, registry);
    let manifest = Manifest::load(&host.real(&path))?;
    let files = manifest.as_ref().map(|manifest| manifest.files.as_slice()).unwrap_or_default();
    let mut fates: Vec<RemovedFile> = Vec::new();
    for written in files {
        fates.push(RemovedFile { path: written.path.clone(), fate: fate(host, written)? });
    }
    if let (Some(manifest), false) = (manifest, dry_run) {
        undo(host, scope, &path, manifest, &fates)?;
    }
    fates.extend(foreign(host, scope, registry, &fates));
    Ok(fates)
}

fn fate(host: &Host, written: &WrittenFile) -> Result<Fate, TrustError> {
    Ok(match file::read(&host.real(&written.path))? {
        None => Fate::Gone,
        Some(bytes) if sha256(&bytes) == written.sha256 => Fate::Removed,
        Some(_) => Fate::Changed,
    })
}

/// The manifest goes last, or stays with what could not go.
fn undo(
    host: &Host,
    scope: &Scope,
    path: &std::path::Path,
    mut manifest: Manifest,
    fates: &[RemovedFile],
) -> Result<(), TrustError> {
    let has_fate = |written: &WrittenFile, fate| fates.iter().any(|f| f.path == written.path && f.fate == fate);
    let is_store = |written: &&WrittenFile| written.os_store && !has_fate(written, Fate::Changed);
    let store = manifest.files.iter().find(is_store).map(|_| OsStore::detect(host)).transpose()?;
    for written in manifest.files.iter().filter(|written| has_fate(written, Fate::Removed)) {
        file::remove(&host.real(&written.path))?;
    }
    manifest.files.retain(|written| has_fate(written, Fate::Changed));
    // From the bottom up. The manifest's own directories are not empty as long as the manifest is in them.
    let mut left = Vec::new();
    for directory in manifest.directories.iter().rev() {
        if !file::remove_empty_directory(&host.real(directory))? {
            left.push(directory.clone());
        }
    }
    if manifest.files.is_empty() {
        file::remove(&host.real(path))?;
        for directory in &left {
            if !file::remove_empty_directory(&host.real(directory))? {
                Manifest::hand_over(host, scope, directory)?;
            }
        }
    } else {
        left.reverse();
        manifest.directories = left;
        manifest.save(&host.real(path))?;
    }
    store.map_or(Ok(()), |store| store.update_after_removing(host))
}

/// Files that tools will go on reading, although `trust` did not write them.
fn foreign(host: &Host, scope: &Scope, registry: &RegistryAddress, known: &[RemovedFile]) -> Vec<RemovedFile> {
    let certs = [scope.docker_certs(), scope.containers_certs()];
    let names = registry.directory_names();
    let paths = certs.iter().flat_map(|certs| names.iter().map(|name| certs.join(name).join("ca.crt")));
    paths
        .filter(|path| host.real(path).exists() && !known.iter().any(|file| file.path == *path))
        .map(|path| RemovedFile { path, fate: Fate::Foreign })
        .collect()
}
