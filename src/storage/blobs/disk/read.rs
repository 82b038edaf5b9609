//! Reading: what is in the page cache is read at once, the rest on a blocking thread, a chunk at a time and only when the
//! receiver wants it. Nothing is read ahead into the process; where the reading is in sequence, the kernel is told what comes next.

use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::buffer::{Buffer, BufferPool};
use super::layout::failed;
use super::open_files::OpenFile;
use super::{Parts, blocking};
use crate::storage::StorageError;
use crate::storage::blobs::{BlobKey, ByteStream};

/// How many bytes are read at once: they stay in a core's cache on their way from the kernel to TLS and back.
pub(super) const CHUNK: usize = 128 * 1024;
/// The same where many read at the same time, and for short ranges.
pub(super) const SMALL_CHUNK: usize = 32 * 1024;
/// How many large chunks are on their way at a time.
pub(super) const CHUNKS: usize = 64;
/// Where in a page a chunk begins: far from where TLS copies it to.
pub(super) const PHASE: usize = 2048;
/// From this length on the kernel is told that the reading is in sequence.
const SEQUENTIAL: u64 = 4 * 1024 * 1024;
/// How much of a long range the kernel is asked to have ready when some of it had to be waited for.
const AHEAD: Option<NonZeroU64> = NonZeroU64::new(4 * 1024 * 1024);

/// The stream of `range`. Its first chunk has been read.
pub(super) async fn read(parts: &Arc<Parts>, key: &BlobKey, range: Range<u64>) -> Result<ByteStream, StorageError> {
    let mut reader = open(parts, key, range).await?;
    let known = if reader.range.is_empty() { None } else { reader.read_cached()? };
    let (first, reader) = match known {
        Some(first) => (Some(first), reader),
        None => read_off_thread(reader).await?,
    };
    Ok(match first {
        Some(first) if reader.range.is_empty() => Box::pin(stream::once(std::future::ready(Ok(first)))),
        Some(first) => Box::pin(stream::iter([Ok(first)]).chain(stream::try_unfold(reader, next))),
        None => Box::pin(stream::empty()),
    })
}

/// Of a short range the file stays open for a moment. A long one has a descriptor of its own, which the kernel reads ahead for.
async fn open(parts: &Arc<Parts>, key: &BlobKey, range: Range<u64>) -> Result<Reader, StorageError> {
    let is_long = is_long(&range);
    let kept = if is_long { None } else { parts.open_files.get(key) };
    let pool = parts.read.clone();
    if let Some((file, length)) = kept {
        return Reader::new(file, length, range, pool);
    }
    let path = parts.layout.blob(key)?;
    let file = match OpenFile::open_known(&path)? {
        Some(file) => file,
        None => blocking(move || OpenFile::open(path)).await?,
    };
    let (length, _) = file.status()?;
    let file = Arc::new(file);
    if !is_long {
        parts.open_files.keep(key.clone(), Arc::clone(&file));
    }
    Reader::new(file, length, range, pool)
}

fn is_long(range: &Range<u64>) -> bool {
    range.end.saturating_sub(range.start) >= SEQUENTIAL
}

async fn next(mut reader: Reader) -> Result<Option<(Bytes, Reader)>, StorageError> {
    if reader.range.is_empty() {
        return Ok(None);
    }
    if let Some(chunk) = reader.read_cached()? {
        return Ok(Some((chunk, reader)));
    }
    let (chunk, reader) = read_off_thread(reader).await?;
    Ok(chunk.map(|chunk| (chunk, reader)))
}

async fn read_off_thread(mut reader: Reader) -> Result<(Option<Bytes>, Reader), StorageError> {
    blocking(move || {
        let chunk = reader.read()?;
        Ok((chunk, reader))
    })
    .await
}

struct Reader {
    file: Arc<OpenFile>,
    /// What is left to read.
    range: Range<u64>,
    /// Whether it was much at the beginning.
    is_long: bool,
    pool: BufferPool,
}

impl Reader {
    fn new(file: Arc<OpenFile>, length: u64, range: Range<u64>, pool: BufferPool) -> Result<Self, StorageError> {
        if range.end > length || range.start > range.end {
            return Err(short(&file.path, length, range.end));
        }
        let is_long = is_long(&range);
        if is_long {
            // Advice only: reading works without it.
            let wanted = NonZeroU64::new(range.end - range.start);
            let _ = rustix::fs::fadvise(&file.file, range.start, wanted, Advice::Sequential);
        }
        Ok(Self { file, range, is_long, pool })
    }

    /// The next chunk, from the disk if need be; `None` at the end.
    fn read(&mut self) -> Result<Option<Bytes>, StorageError> {
        if self.range.is_empty() {
            return Ok(None);
        }
        if self.is_long {
            // Advice only, again.
            let _ = rustix::fs::fadvise(&self.file.file, self.range.start, AHEAD, Advice::WillNeed);
        }
        let mut buffer = self.buffer();
        let room = buffer.room(self.range.end - self.range.start);
        let length = room.len();
        self.file.file.read_exact_at(room, self.range.start).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => short(&self.file.path, self.range.start, self.range.end),
            _ => failed("reading", &self.file.path, error),
        })?;
        Ok(Some(self.chunk(buffer, length)))
    }

    /// The next chunk, as far as it is in the page cache; `None` where it is not, or where the file system cannot tell.
    fn read_cached(&mut self) -> Result<Option<Bytes>, StorageError> {
        let mut buffer = self.buffer();
        let room = buffer.room(self.range.end - self.range.start);
        match preadv2(&self.file.file, &mut [IoSliceMut::new(room)], self.range.start, ReadWriteFlags::NOWAIT) {
            Ok(0) => Err(short(&self.file.path, self.range.start, self.range.end)),
            Ok(length) => Ok(Some(self.chunk(buffer, length))),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(None),
            Err(error) => Err(failed("reading", &self.file.path, error.into())),
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
