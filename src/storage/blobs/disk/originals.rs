//! The store of another registry in a directory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;

use super::blocking;
use super::layout::failed;
use crate::storage::StorageError;
use crate::storage::blobs::{ByteStream, Original, OriginalFile, Originals};

/// What is read at once.
const CHUNK: u64 = 1024 * 1024;

/// The files under `root`. Small files are read on the thread that asks: an import has nothing else to do.
pub(crate) fn originals(root: &Path) -> Arc<dyn Originals> {
    Arc::new(DiskOriginals { root: root.to_owned() })
}

struct DiskOriginals {
    root: PathBuf,
}

#[async_trait]
impl Originals for DiskOriginals {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let mut names = Vec::new();
        for (name, metadata) in entries(&self.root.join(folder))? {
            if metadata.is_dir() {
                names.push(name);
            }
        }
        Ok(names)
    }

    async fn folders_with(&self, folder: &str, file: &str) -> Result<Vec<(String, i64)>, StorageError> {
        let mut found = Vec::new();
        for name in self.folders(folder).await? {
            if let Some(present) = self.look(&format!("{folder}/{name}/{file}")).await? {
                found.push((name, present.modified_at));
            }
        }
        Ok(found)
    }

    async fn files(&self, folder: &str) -> Result<Vec<(String, OriginalFile)>, StorageError> {
        let files = entries(&self.root.join(folder))?.into_iter().filter(|(_, metadata)| metadata.is_file());
        Ok(files.map(|(name, metadata)| (name, described(&metadata))).collect())
    }

    async fn look(&self, file: &str) -> Result<Option<OriginalFile>, StorageError> {
        let path = self.root.join(file);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(described(&metadata))),
            Ok(_) => Ok(None),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("looking at", &path, error)),
        }
    }

    async fn read(&self, file: &str, limit: u64) -> Result<Option<Bytes>, StorageError> {
        let path = self.root.join(file);
        let reading = |error| failed("reading", &path, error);
        let opened = match File::open(&path) {
            Err(error) if is_missing(&error) => return Ok(None),
            opened => opened.map_err(reading)?,
        };
        let mut content = Vec::new();
        opened.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(reading)?;
        Ok((content.len() as u64 <= limit).then(|| content.into()))
    }

    async fn stream(&self, file: &str, length: u64) -> Result<ByteStream, StorageError> {
        let path = self.root.join(file);
        let opened = File::open(&path).map_err(|error| failed("opening", &path, error))?;
        Ok(Box::pin(stream::try_unfold((opened, length), move |(mut opened, left)| {
            let path = path.clone();
            async move {
                if left == 0 {
                    return Ok(None);
                }
                let read = move || {
                    let mut chunk = vec![0; usize::try_from(left.min(CHUNK)).unwrap_or_default()];
                    opened.read_exact(&mut chunk).map_err(|error| failed("reading", &path, error))?;
                    Ok((chunk, opened))
                };
                let (chunk, opened) = blocking(read).await?;
                let left = left - chunk.len() as u64;
                Ok(Some((Bytes::from(chunk), (opened, left))))
            }
        })))
    }

    fn original(&self, file: &str) -> Original {
        Original::File(self.root.join(file))
    }
}

fn described(metadata: &fs::Metadata) -> OriginalFile {
    OriginalFile { size: metadata.len(), modified_at: metadata.mtime() }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What is in a folder, in the order of names; nothing where that is missing. Names that are not text are of no registry.
fn entries(folder: &Path) -> Result<Vec<(String, fs::Metadata)>, StorageError> {
    let reading = |error| failed("reading", folder, error);
    let listed = match fs::read_dir(folder) {
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        listed => listed.map_err(reading)?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(reading)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        match fs::metadata(entry.path()) {
            Ok(metadata) => found.push((name, metadata)),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(failed("looking at", &entry.path(), error)),
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}
