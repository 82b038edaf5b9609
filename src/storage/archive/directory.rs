//! An archive in a directory: each file is written aside, synced, and gets its name.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::fs::OpenOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use super::{Archive, ArchivedFile};
use crate::storage::StorageError;
use crate::storage::blobs::ByteStream;

/// Where files are written before they get their names. What is there when it is opened was left by a crash.
const PARTIAL: &str = "partial";
const CHUNK: usize = 256 * 1024;

struct Directory {
    root: PathBuf,
}

/// The archive at `root`. With `create`, it is made where it is missing, for its owner alone, and prepared to be written to.
pub(crate) fn open_directory(root: &Path, create: bool) -> Result<Arc<dyn Archive>, StorageError> {
    if create {
        make(root)?;
        let partial = root.join(PARTIAL);
        make(&partial)?;
        for left in entries(&partial)? {
            // Another backup may be writing there at this moment.
            let is_old = left
                .metadata()
                .and_then(|found| found.modified())
                .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > std::time::Duration::from_hours(24)));
            if is_old {
                fs::remove_file(left.path()).map_err(|error| failed("removing", &left.path(), error))?;
            }
        }
    }
    Ok(Arc::new(Directory { root: root.to_owned() }))
}

#[async_trait]
impl Archive for Directory {
    async fn put(&self, name: &str, mut body: ByteStream) -> Result<(), StorageError> {
        let (path, aside) = (self.root.join(name), self.root.join(PARTIAL).join(Uuid::now_v7().to_string()));
        let written = write(&aside, &mut body).await;
        let named = match written {
            Ok(()) => {
                let aside = aside.clone();
                blocking(move || {
                    path.parent().map_or(Ok(()), make)?;
                    fs::rename(&aside, &path).map_err(|error| failed("naming", &path, error))
                })
                .await
            }
            Err(error) => Err(error),
        };
        if named.is_err() {
            // It is removed by a later backup otherwise.
            let _ = tokio::fs::remove_file(&aside).await;
        }
        named
    }

    async fn get(&self, name: &str) -> Result<ByteStream, StorageError> {
        let path = self.root.join(name);
        let file = match tokio::fs::File::open(&path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StorageError::Damaged(format!("{} is missing", path.display())));
            }
            file => file.map_err(|error| failed("opening", &path, error))?,
        };
        Ok(Box::pin(stream::try_unfold((file, path), |(mut file, path)| async move {
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await;
            read.map_err(|error| failed("reading", &path, error))?;
            Ok((!chunk.is_empty()).then(|| (Bytes::from(chunk), (file, path))))
        })))
    }

    async fn files(&self, folder: &str) -> Result<Vec<ArchivedFile>, StorageError> {
        let folder = self.root.join(folder);
        blocking(move || {
            let mut files = Vec::new();
            for entry in entries(&folder)? {
                let metadata = entry.metadata().map_err(|error| failed("examining", &entry.path(), error))?;
                if let (true, Some(name)) = (metadata.is_file(), entry.file_name().to_str()) {
                    files.push(ArchivedFile { name: name.to_owned(), size: metadata.len() });
                }
            }
            Ok(files)
        })
        .await
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let folder = self.root.join(folder);
        blocking(move || {
            let found = entries(&folder)?;
            let folders = found.iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let mut names: Vec<String> =
                folders.filter_map(|entry| entry.file_name().to_str().map(str::to_owned)).collect();
            names.sort();
            Ok(names)
        })
        .await
    }

    async fn remove(&self, name: &str) -> Result<(), StorageError> {
        let path = self.root.join(name);
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("removing", &path, error)),
            _ => Ok(()),
        }
    }

    /// The names of all files at once.
    async fn settle(&self) -> Result<(), StorageError> {
        let root = self.root.clone();
        blocking(move || {
            let synced = File::open(&root).and_then(|root| Ok(rustix::fs::syncfs(root)?));
            synced.map_err(|error| failed("syncing the file system of", &root, error))
        })
        .await
    }
}

async fn write(path: &Path, body: &mut ByteStream) -> Result<(), StorageError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await;
    let mut file = file.map_err(|error| failed("creating", path, error))?;
    while let Some(chunk) = body.next().await {
        file.write_all(&chunk?).await.map_err(|error| failed("writing", path, error))?;
    }
    file.flush().await.map_err(|error| failed("writing", path, error))?;
    file.sync_data().await.map_err(|error| failed("syncing", path, error))
}

fn make(path: &Path) -> Result<(), StorageError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| failed("creating the directory", path, error))
}

/// Of a directory; none where it is missing.
fn entries(path: &Path) -> Result<Vec<fs::DirEntry>, StorageError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| failed("reading", path, error))?,
    };
    entries.collect::<io::Result<_>>().map_err(|error| failed("reading", path, error))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let ended = |error| StorageError::Failed { context: "a task of an archive".to_owned(), source: Arc::new(error) };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ended(error)))
}

fn failed(doing: &str, path: &Path, error: io::Error) -> StorageError {
    StorageError::io(format!("{doing} {}", path.display()), error)
}
