//! One upload: hashed where its bytes arrive, and written without the page cache from recycled buffers by a thread of its own.

use std::fs::{File, OpenOptions};
use std::io::Result;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use aws_lc_rs::digest::{Context, SHA256, digest};
use bytes::Bytes;
use rustix::fs::OFlags;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What a disk takes as the address, the place and the length of a direct write.
const ALIGNMENT: usize = 4096;
/// What is written at once.
const BLOCK: usize = 1024 * 1024;
/// Buffers that an upload has on their way to the disk.
const BUFFERS: usize = 4;

/// Larger by one alignment than what is used of it, which begins at an aligned address.
struct Buffer {
    memory: Vec<u8>,
    start: usize,
    filled: usize,
}

static FREE: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());

impl Buffer {
    fn take() -> Self {
        FREE.lock().expect("not poisoned").pop().unwrap_or_else(|| {
            let memory = vec![0; BLOCK + ALIGNMENT];
            let start = memory.as_ptr().align_offset(ALIGNMENT);
            Self { memory, start, filled: 0 }
        })
    }

    fn give_back(mut self) {
        self.filled = 0;
        FREE.lock().expect("not poisoned").push(self);
    }

    fn content(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.filled]
    }

    /// Takes what fits, and says how much that is.
    fn fill(&mut self, content: &[u8]) -> usize {
        let taken = content.len().min(BLOCK - self.filled);
        let at = self.start + self.filled;
        self.memory[at..at + taken].copy_from_slice(&content[..taken]);
        self.filled += taken;
        taken
    }

    /// Up to the next alignment; the file is cut to its length at the end.
    fn padded(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.filled.next_multiple_of(ALIGNMENT)]
    }
}

pub struct Upload {
    hasher: Context,
    buffer: Buffer,
    length: u64,
    path: PathBuf,
    writer: Option<(mpsc::Sender<Buffer>, JoinHandle<Result<File>>)>,
}

pub fn digest_of(content: &[u8]) -> String {
    named(digest(&SHA256, content).as_ref())
}

fn named(hash: &[u8]) -> String {
    hash.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

impl Upload {
    pub fn begin(path: PathBuf) -> Self {
        Self { hasher: Context::new(&SHA256), buffer: Buffer::take(), length: 0, path, writer: None }
    }

    pub async fn append(&mut self, mut content: &[u8]) -> Result<()> {
        self.hasher.update(content);
        self.length += content.len() as u64;
        while !content.is_empty() {
            content = &content[self.buffer.fill(content)..];
            if self.buffer.filled == BLOCK {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Hands the buffer to the thread that writes, and takes another.
    async fn flush(&mut self) -> Result<()> {
        let path = self.path.clone();
        let (sender, _) = self.writer.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(BUFFERS - 2);
            (sender, tokio::task::spawn_blocking(move || write(&path, receiver)))
        });
        let full = std::mem::replace(&mut self.buffer, Buffer::take());
        sender.send(full).await.map_err(|_| std::io::Error::other("the disk failed"))
    }

    /// Makes it durable under its digest; returns the content of a blob that fits into one buffer.
    pub async fn finish(mut self, claimed: &str, directory: &Path) -> Result<Option<Bytes>> {
        let small = self.writer.is_none().then(|| Bytes::copy_from_slice(self.buffer.content()));
        self.flush().await?;
        let (sender, writer) = self.writer.take().expect("flushed");
        drop(sender);
        let file = writer.await??;
        self.buffer.give_back();
        let actual = named(self.hasher.finish().as_ref());
        if actual != claimed {
            return Err(std::io::Error::other(format!("{claimed} is claimed of {actual}")));
        }
        let (from, to, directory) = (self.path, directory.join(claimed), directory.to_owned());
        tokio::task::spawn_blocking(move || {
            file.set_len(self.length)?;
            file.sync_data()?;
            std::fs::rename(from, to)?;
            File::open(directory)?.sync_all()
        })
        .await??;
        Ok(small)
    }
}

fn write(path: &Path, mut full: mpsc::Receiver<Buffer>) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let direct = i32::try_from(OFlags::DIRECT.bits()).expect("a flag");
    let file = options.clone().custom_flags(direct).open(path).or_else(|_| options.open(path))?;
    let mut at = 0;
    while let Some(buffer) = full.blocking_recv() {
        file.write_all_at(buffer.padded(), at)?;
        at += buffer.filled as u64;
        buffer.give_back();
    }
    Ok(file)
}
