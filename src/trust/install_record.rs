//! What was written for one registry by this program or by the registry's script, so that exactly that can be removed again.
//!
//! It is written before the files that it names, so that a crash in between leaves nothing that it does not know.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::authority_file::one_certificate;
use super::error::TrustError;
use super::file;
use super::host::{Host, InstallScope};
use super::registry_address::RegistryAddress;
use super::script_record;
use crate::domain::net::Fingerprint;

/// The record of one registry. Paths are the host's own, whatever root replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstallRecord {
    /// `HOST:PORT`.
    pub(crate) registry: String,
    /// The CA's SHA-256.
    pub(crate) ca_sha256: String,
    /// Every file.
    pub(crate) files: Vec<WrittenFile>,
    /// Every directory that was not there before, each after its parent.
    pub(crate) directories: Vec<PathBuf>,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenFile {
    pub(crate) path: PathBuf,
    /// The SHA-256 of its bytes.
    pub(crate) sha256: String,
    /// The SHA-256 of what was written there before and may still be there, where the command was killed before it took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// Whether it is in the OS store, whose command has to run when it goes.
    pub(crate) os_store: bool,
}

impl WrittenFile {
    /// Whether these bytes are what was written.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let found = sha256(bytes);
        found == self.sha256 || self.before.as_ref() == Some(&found)
    }
}

impl InstallRecord {
    /// One for `HOST:PORT` that names nothing yet.
    pub(crate) fn of(registry: &str) -> Self {
        Self { registry: registry.to_owned(), ca_sha256: String::new(), files: Vec::new(), directories: Vec::new() }
    }

    /// Where the record of a registry is stored.
    pub(crate) fn path(scope: &InstallScope, registry: &RegistryAddress) -> PathBuf {
        scope.manifests().join(format!("{}.json", registry.file_name()))
    }

    /// Reads one, with what the registry's script wrote; `None` where nothing was written for the registry.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, TrustError> {
        let damaged =
            |error: serde_json::Error| TrustError::InstallRecord { path: path.to_owned(), reason: error.to_string() };
        let manifest = file::read(path)?.map(|bytes| serde_json::from_slice(&bytes).map_err(damaged)).transpose()?;
        script_record::merge(manifest, &script_record::path(path))
    }

    /// Whether there is one to load.
    pub(crate) fn exists(path: &Path) -> bool {
        path.exists() || script_record::path(path).exists()
    }

    /// Removes it.
    pub(crate) fn remove(path: &Path) -> Result<(), TrustError> {
        file::remove(path)?;
        file::remove(&script_record::path(path))
    }

    /// The CA that the registry is known by on this host: the one that was written, as long as a file of it is there unchanged; where a
    /// command was killed before it wrote any, the one before.
    pub(crate) fn authority(
        host: &Host,
        scope: &InstallScope,
        registry: &RegistryAddress,
    ) -> Result<Option<Fingerprint>, TrustError> {
        let Some(manifest) = Self::load(&host.real(&Self::path(scope, registry)))? else { return Ok(None) };
        let mut before = None;
        for written in &manifest.files {
            let bytes = file::read(&host.real(&written.path))?.unwrap_or_default();
            let Some(fingerprint) = one_certificate(&bytes).ok().map(|der| Fingerprint::of_der(&der)) else { continue };
            if fingerprint.to_string() == manifest.ca_sha256 {
                return Ok(Some(fingerprint));
            }
            if written.holds(&bytes) {
                before = Some(fingerprint);
            }
        }
        Ok(before)
    }

    /// Writes it, and with that takes over what the script recorded. Its directory must be there.
    pub(crate) fn save(&self, path: &Path) -> Result<(), TrustError> {
        let text = serde_json::to_string_pretty(self);
        let text =
            text.map_err(|error| TrustError::InstallRecord { path: path.to_owned(), reason: error.to_string() })?;
        file::write(path, (text + "\n").as_bytes())?;
        file::remove(&script_record::path(path))
    }

    /// Notes a file, instead of what was noted of it before. `current` is what it holds until it is written.
    pub(crate) fn note_file(&mut self, path: &Path, bytes: &[u8], os_store: bool, current: Option<&[u8]>) {
        let noted = self.files.iter().find(|file| file.path == path);
        let ours = current.filter(|current| *current != bytes && noted.is_some_and(|noted| noted.holds(current)));
        let before = ours.map(sha256);
        self.files.retain(|file| file.path != path);
        self.files.push(WrittenFile { path: path.to_owned(), sha256: sha256(bytes), before, os_store });
    }

    /// Forgets files; says whether there was one.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(&Path) -> bool) -> bool {
        let before = self.files.len();
        self.files.retain(|file| !is_gone(&file.path));
        self.files.len() < before
    }

    /// Notes directories that were made, from the top down.
    pub(crate) fn note_directories(&mut self, made: &[PathBuf]) {
        for directory in made {
            if !self.directories.contains(directory) {
                self.directories.push(directory.clone());
            }
        }
    }

    /// Hands a directory that another registry still needs over to that registry's manifest, which will remove it then.
    /// Says whether there was one.
    pub(crate) fn pass_on(host: &Host, scope: &InstallScope, directory: &Path) -> Result<bool, TrustError> {
        let manifests = host.real(&scope.manifests());
        let Ok(entries) = fs::read_dir(&manifests) else { return Ok(false) };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if path.extension().is_none_or(|extension| extension != "json" && extension != "script") {
                continue;
            }
            let path = path.with_extension("json");
            let Ok(Some(mut manifest)) = Self::load(&path) else { continue };
            let is_below = manifest.files.iter().any(|file| file.path.starts_with(directory));
            if !is_below && !path.starts_with(host.real(directory)) {
                continue;
            }
            if !manifest.directories.iter().any(|noted| noted == directory) {
                // Before its children.
                let at = manifest.directories.iter().position(|noted| noted.starts_with(directory));
                let at = at.unwrap_or(manifest.directories.len());
                manifest.directories.insert(at, directory.to_owned());
                manifest.save(&path)?;
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}
