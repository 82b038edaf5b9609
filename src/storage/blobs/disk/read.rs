//! Reading: what is in the page cache is read at once, the rest on a blocking thread, a chunk at a time and only when the
//! receiver wants it. Nothing is read ahead; the kernel does that where the reading is in sequence.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::buffer::{Buffer, BufferPool};
use super::layout::failed;
use super::{Parts, blocking};
use crate::storage::StorageError;
use crate::storage::blobs::ByteStream;

/// How many bytes are read at once.
pub(super) const CHUNK: usize = 256 * 1024;
/// The same where many read at the same time, and for short ranges.
pub(super) const SMALL_CHUNK: usize = 32 * 1024;
/// How many large chunks are on their way at a time.
pub(super) const CHUNKS: usize = 64;
/// Where in a page a chunk begins: far from where TLS copies it to.
pub(super) const PHASE: usize = 2048;
/// From this length on the kernel is told that the reading is in sequence.
const SEQUENTIAL: u64 = 4 * 1024 * 1024;

/// The stream of `range`. Its first chunk has been read.
pub(super) async fn read(parts: &Arc<Parts>, path: PathBuf, range: Range<u64>) -> Result<ByteStream, StorageError> {
    let pool = parts.read.clone();
    let (first, reader) = blocking(move || {
        let mut reader = Reader::open(path, range, pool)?;
        let first = reader.read()?;
        Ok((first, reader))
    })
    .await?;
    let rest = stream::try_unfold(reader, next);
    Ok(match first {
        Some(first) => Box::pin(stream::iter([Ok(first)]).chain(rest)),
        None => Box::pin(stream::empty()),
    })
}

async fn next(mut reader: Reader) -> Result<Option<(Bytes, Reader)>, StorageError> {
    if reader.range.is_empty() {
        return Ok(None);
    }
    if let Some(chunk) = reader.read_cached()? {
        return Ok(Some((chunk, reader)));
    }
    let (chunk, reader) = blocking(move || {
        let chunk = reader.read()?;
        Ok((chunk, reader))
    })
    .await?;
    Ok(chunk.map(|chunk| (chunk, reader)))
}

struct Reader {
    file: File,
    path: PathBuf,
    /// What is left to read.
    range: Range<u64>,
    pool: BufferPool,
}

impl Reader {
    fn open(path: PathBuf, range: Range<u64>, pool: BufferPool) -> Result<Self, StorageError> {
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StorageError::Damaged(format!("the blob {} is missing", path.display())));
            }
            opened => opened.map_err(|error| failed("opening", &path, error))?,
        };
        let length = file.metadata().map_err(|error| failed("looking at", &path, error))?.len();
        if range.end > length || range.start > range.end {
            return Err(short(&path, length, range.end));
        }
        if let Some(wanted) = NonZeroU64::new(range.end - range.start).filter(|wanted| wanted.get() >= SEQUENTIAL) {
            // Advice only: reading works without it.
            let _ = rustix::fs::fadvise(&file, range.start, Some(wanted), Advice::Sequential);
        }
        Ok(Self { file, path, range, pool })
    }

    /// The next chunk, from the disk if need be; `None` at the end.
    fn read(&mut self) -> Result<Option<Bytes>, StorageError> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let mut buffer = self.buffer();
        let room = buffer.room(self.range.end - self.range.start);
        let length = room.len();
        self.file.read_exact_at(room, self.range.start).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => short(&self.path, self.range.start, self.range.end),
            _ => failed("reading", &self.path, error),
        })?;
        Ok(Some(self.chunk(buffer, length)))
    }

    /// The next chunk, as far as it is in the page cache; `None` where it is not, or where the file system cannot tell.
    fn read_cached(&mut self) -> Result<Option<Bytes>, StorageError> {
        let mut buffer = self.buffer();
        let room = buffer.room(self.range.end - self.range.start);
        match preadv2(&self.file, &mut [IoSliceMut::new(room)], self.range.start, ReadWriteFlags::NOWAIT) {
            Ok(0) => Err(short(&self.path, self.range.start, self.range.end)),
            Ok(length) => Ok(Some(self.chunk(buffer, length))),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(None),
            Err(error) => Err(failed("reading", &self.path, error.into())),
        }
    }

    fn buffer(&self) -> Buffer {
        match usize::try_from(self.range.end - self.range.start) {
            Ok(left) if left <= SMALL_CHUNK => self.pool.take_exact(left),
            _ => self.pool.take(),
        }
    }

    fn chunk(&mut self, mut buffer: Buffer, length: usize) -> Bytes {
        buffer.set_filled(length);
        self.range.start += length as u64;
        Bytes::from_owner(buffer)
    }
}

fn short(path: &Path, length: u64, wanted: u64) -> StorageError {
    StorageError::Damaged(format!("the blob {} has {length} bytes, and byte {wanted} was to be read", path.display()))
}
