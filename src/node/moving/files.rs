//! The files of the data directory that a registry takes along: the certificate authority and certificates. Hosts continue to trust it.
//! For the key that encrypts secrets in the database, see [`super::key`].

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use super::side::same;
use crate::node::data_directory::DataDirectory;
use crate::pki::{Authority, write_key, write_public};

/// What is taken along.
const TAKEN: &[&str] = &["ca", "tls", "initialised", "README"];

/// Refuses a directory in which another registry was made.
pub(super) fn require_empty(source: &DataDirectory, target: &DataDirectory) -> anyhow::Result<()> {
    if !same(source.path(), target.path()) && (target.initialised_on()?.is_some() || Authority::exists(target.path())) {
        bail!(
            "{} has the certificate authority of another registry: choose an empty directory",
            target.path().display()
        );
    }
    Ok(())
}

/// Copies the files, in place of what an interrupted move has left.
pub(super) fn copy(source: &DataDirectory, target: &DataDirectory) -> anyhow::Result<()> {
    if same(source.path(), target.path()) {
        return Ok(());
    }
    for name in TAKEN {
        copy_below(&source.path().join(name), &target.path().join(name))?;
    }
    Ok(())
}

fn copy_below(from: &Path, to: &Path) -> anyhow::Result<()> {
    let metadata = match fs::symlink_metadata(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata.with_context(|| format!("cannot examine {}", from.display()))?,
    };
    if metadata.is_dir() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(to);
        made.with_context(|| format!("cannot create {}", to.display()))?;
        for name in names(from)? {
            copy_below(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    let bytes = Zeroizing::new(fs::read(from).with_context(|| format!("cannot read {}", from.display()))?);
    let others = metadata.permissions().mode() & 0o077;
    if others == 0 {
        write_key(to, &bytes)?;
    } else {
        write_public(to, &bytes)?;
    }
    Ok(())
}

fn names(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let names: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.file_name().into())).collect();
    names.with_context(|| format!("cannot read {}", folder.display()))
}
