//! Removing trust: the files in the install record that no one has changed since are deleted, and the directories that were made for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::TrustError;
use super::exclusive_lock::{ExclusiveLock, LOCK};
use super::file;
use super::host::{Host, InstallScope};
use super::install_record::{InstallRecord, WrittenFile};
use super::os_store::OsStore;
use super::registry_address::RegistryAddress;

/// What becomes of a file that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalOutcome {
    /// It is removed.
    Removed,
    /// It was gone already.
    Gone,
    /// It was changed since: it stays, and stays in the record.
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
    pub outcome: RemovalOutcome,
}

/// Removes what [`super::Plan::apply`] wrote for the registry; with `dry_run` only says what would become of each file.
pub fn remove(
    host: &Host,
    scope: &InstallScope,
    registry: &RegistryAddress,
    dry_run: bool,
) -> Result<Vec<RemovedFile>, TrustError> {
    let path = InstallRecord::path(scope, registry);
    let turn = if dry_run || !has_traces(host, &path) { None } else { take_turn(host, scope, &path)? };
    let manifest = InstallRecord::load(&host.real(&path))?;
    let files = manifest.as_ref().map(|manifest| manifest.files.as_slice()).unwrap_or_default();
    let mut outcomes: Vec<RemovedFile> = Vec::new();
    for written in files {
        outcomes.push(RemovedFile { path: written.path.clone(), outcome: outcome(host, written)? });
    }
    if let Some(mut turn) = turn {
        file::remove_temporaries(&host.real(&path))?;
        if let Some(manifest) = manifest {
            undo(host, scope, &path, manifest, &outcomes, &mut turn)?;
        }
    }
    outcomes.extend(foreign(host, scope, registry, &outcomes));
    Ok(outcomes)
}

/// Whether a command has been at work here, even if it was killed before it wrote its manifest.
fn has_traces(host: &Host, manifest: &Path) -> bool {
    let real = host.real(manifest);
    let is_empty = || real.parent().and_then(|dir| fs::read_dir(dir).ok()).is_some_and(|mut dir| dir.next().is_none());
    InstallRecord::exists(&real)
        || real.with_file_name(LOCK).exists()
        || !file::temporaries(&real).is_empty()
        || is_empty()
}

/// `None` if there is no record and this user may write none: then nothing here is this user's to remove.
fn take_turn(host: &Host, scope: &InstallScope, manifest: &Path) -> Result<Option<ExclusiveLock>, TrustError> {
    match ExclusiveLock::take(host, scope) {
        Err(TrustError::Io { cause, .. })
            if cause.kind() == io::ErrorKind::PermissionDenied && !InstallRecord::exists(&host.real(manifest)) =>
        {
            Ok(None)
        }
        turn => turn.map(Some),
    }
}

fn outcome(host: &Host, written: &WrittenFile) -> Result<RemovalOutcome, TrustError> {
    Ok(match file::read(&host.real(&written.path))? {
        None => RemovalOutcome::Gone,
        Some(bytes) if written.holds(&bytes) => RemovalOutcome::Removed,
        Some(_) => RemovalOutcome::Changed,
    })
}

/// The manifest goes last, or stays with what could not go.
fn undo(
    host: &Host,
    scope: &InstallScope,
    path: &Path,
    mut manifest: InstallRecord,
    outcomes: &[RemovedFile],
    turn: &mut ExclusiveLock,
) -> Result<(), TrustError> {
    let came_to =
        |written: &WrittenFile, outcome| outcomes.iter().any(|f| f.path == written.path && f.outcome == outcome);
    let is_store = |written: &&WrittenFile| written.os_store && !came_to(written, RemovalOutcome::Changed);
    let store = manifest.files.iter().find(is_store).map(|_| OsStore::detect(host)).transpose()?;
    for written in manifest.files.iter().filter(|written| came_to(written, RemovalOutcome::Removed)) {
        file::remove(&host.real(&written.path))?;
    }
    manifest.files.iter().try_for_each(|written| file::remove_temporaries(&host.real(&written.path)))?;
    manifest.files.retain(|written| came_to(written, RemovalOutcome::Changed));
    let mut left = remove_empty_directories(host, &manifest.directories)?;
    if manifest.files.is_empty() {
        InstallRecord::remove(&host.real(path))?;
        let mut kept = Vec::new();
        for directory in left {
            if !file::remove_empty_directory(&host.real(&directory))?
                && !InstallRecord::pass_on(host, scope, &directory)?
            {
                kept.push(directory);
            }
        }
        // The lock is in them.
        kept.iter().rev().for_each(|directory| turn.remove_at_end(directory));
    } else {
        left.reverse();
        manifest.directories = left;
        manifest.save(&host.real(path))?;
    }
    store.map_or(Ok(()), |store| store.update_after_removing(host))
}

/// From the bottom up. Those of the install record are not empty as long as it is in them. Returns what is left, from the bottom up too.
fn remove_empty_directories(host: &Host, directories: &[PathBuf]) -> Result<Vec<PathBuf>, TrustError> {
    let mut left = Vec::new();
    for directory in directories.iter().rev() {
        if !file::remove_empty_directory(&host.real(directory))? {
            left.push(directory.clone());
        }
    }
    Ok(left)
}

/// Files that tools will continue to read, although `trust` did not write them.
fn foreign(host: &Host, scope: &InstallScope, registry: &RegistryAddress, known: &[RemovedFile]) -> Vec<RemovedFile> {
    let certs = [scope.docker_certs(), scope.containers_certs()];
    let names = registry.directory_names();
    let paths = certs.iter().flat_map(|certs| names.iter().map(|name| certs.join(name).join("ca.crt")));
    paths
        .filter(|path| host.real(path).exists() && !known.iter().any(|file| file.path == *path))
        .map(|path| RemovedFile { path, outcome: RemovalOutcome::Foreign })
        .collect()
}
