//! Taking over a file of another registry's store: the same file gets a second name here (a hard link), so no byte is moved, and either store
//! may remove its own name. Its bytes are compared with the digest first.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, linkat};
use rustix::io::Errno;

use super::cancel::CancelFlag;
use super::layout::{self, Layout, failed};
use crate::domain::{Digest, Hasher, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::Adoption;

/// What is read at once.
const CHUNK: usize = 1024 * 1024;

/// Gives `file` the name of the content `digest`, unless that is here already. Durable once [`settle`] was called.
pub(super) fn adopt(
    layout: &Layout,
    file: &Path,
    digest: &Digest,
    size: u64,
    cancelled: &CancelFlag,
) -> Result<Adoption, StorageError> {
    let (key, published) = layout.published(digest);
    let original = open(file)?.ok_or_else(|| StorageError::Damaged(format!("{} is missing", file.display())))?;
    if let Some(present) = open(&published)? {
        // A second name of the same file was given once its bytes had been compared.
        if is_same(&original, &present, file)? && length(&present, &published)? == size {
            return Ok(Adoption::Adopted(key, false));
        }
        if compare(&present, &published, digest, size, cancelled).is_ok() {
            return Ok(Adoption::Adopted(key, false));
        }
    }
    compare(&original, file, digest, size, cancelled)?;
    // By way of the staging area, because a damaged content may have the name.
    let staged = layout.upload(UploadId::generate());
    if let Some(why) = link(file, &staged, &original)? {
        return Ok(Adoption::Impossible(why));
    }
    let named = match open(&staged)? {
        Some(linked) if is_same(&original, &linked, file)? => name(&staged, &published),
        _ => Err(StorageError::Damaged(format!("{} was replaced meanwhile", file.display()))),
    };
    layout::remove(&staged)?;
    named.map(|()| Adoption::Adopted(key, true))
}

/// Everything that was adopted survives power loss when this returns: contents, which the other registry may not have synced, and names.
pub(super) fn settle(layout: &Layout) -> Result<(), StorageError> {
    let synced = File::open(layout.uploads()).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
    synced.map_err(|error| failed("syncing the file system of", layout.uploads(), error))
}

fn name(staged: &Path, published: &Path) -> Result<(), StorageError> {
    let renamed = match fs::rename(staged, published) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            layout::create_parent(published)?;
            fs::rename(staged, published)
        }
        renamed => renamed,
    };
    renamed.map_err(|error| failed("publishing", published, error))
}

/// Why files like this one cannot be adopted: tries it, and undoes it.
pub(super) fn why_not(layout: &Layout, file: &Path) -> Result<Option<String>, StorageError> {
    let Some(original) = open(file)? else { return Ok(None) };
    let staged = layout.upload(UploadId::generate());
    let why = link(file, &staged, &original)?;
    layout::remove(&staged)?;
    Ok(why)
}

/// Makes the link, or says why the system refuses it for what the file is.
fn link(file: &Path, name: &Path, original: &File) -> Result<Option<String>, StorageError> {
    let Err(errno) = linkat(CWD, file, CWD, name, AtFlags::SYMLINK_FOLLOW) else { return Ok(None) };
    let file_name = file.display();
    Ok(Some(match errno {
        Errno::XDEV => format!("{file_name} is on another file system than this registry"),
        Errno::MLINK => format!("{file_name} has as many names (hard links) as its file system allows"),
        Errno::PERM | Errno::ACCESS => {
            let owner = original.metadata().map_or(0, |meta| meta.uid());
            let me = rustix::process::geteuid().as_raw();
            format!(
                "{file_name} belongs to the user {owner}, and the system does not let the user {me} make a hard link of it"
            )
        }
        Errno::OPNOTSUPP => format!("the file system of {file_name} has no hard links"),
        _ => return Err(failed("linking", file, errno.into())),
    }))
}

fn open(path: &Path) -> Result<Option<File>, StorageError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("opening", path, error)),
    }
}

fn is_same(one: &File, other: &File, path: &Path) -> Result<bool, StorageError> {
    let id = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino()));
    let looking = |error| failed("looking at", path, error);
    Ok(id(one).map_err(looking)? == id(other).map_err(looking)?)
}

fn length(file: &File, path: &Path) -> Result<u64, StorageError> {
    Ok(file.metadata().map_err(|error| failed("looking at", path, error))?.len())
}

/// [`StorageError::Damaged`] unless the file has this length and digest.
fn compare(
    mut file: &File,
    path: &Path,
    digest: &Digest,
    size: u64,
    cancelled: &CancelFlag,
) -> Result<(), StorageError> {
    let present = length(file, path)?;
    if present != size {
        return Err(StorageError::Damaged(format!("{} has {present} bytes instead of {size}", path.display())));
    }
    let mut hasher = Hasher::new(digest.algorithm());
    let mut buffer = vec![0; CHUNK.min(usize::try_from(size).unwrap_or(CHUNK)).max(1)];
    loop {
        if cancelled.is_cancelled() {
            return Err(StorageError::BrokenBody("the import was stopped".to_owned()));
        }
        match file.read(&mut buffer).map_err(|error| failed("reading", path, error))? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    if hasher.finish() == *digest {
        return Ok(());
    }
    Err(StorageError::Damaged(format!("{} has another content than its name says", path.display())))
}
