//! Writing past the page cache. To copy a large upload into pages that must be found for it, and to write them back later, costs as much as
//! to hash it, and twice that when free pages are few.
//!
//! The beginning of each content stays in the page cache, and so ordinary layers do as a whole: what was just pushed is pulled next. So does
//! what is not whole blocks, and everything where the file system does not take direct writes. Between the two ways the kernel keeps the
//! file coherent, as long as one write ends before the next begins.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Offset, length and address must be multiples of this: no disk has larger blocks.
const BLOCK: usize = 4096;
/// Less than this is cheaper to leave to the kernel.
const LEAST: usize = 32 * 1024;

/// Where in a content direct writes begin.
pub(super) const DIRECT_FROM: u64 = 32 * 1024 * 1024;

/// Whether a store writes directly.
pub(super) struct DirectWrites {
    /// The offset from which it does.
    from: u64,
    /// Its file system has refused to: it is not asked again.
    refused: AtomicBool,
}

impl DirectWrites {
    /// From this offset of each content on.
    pub(super) fn new(from: u64) -> Self {
        Self { from, refused: AtomicBool::new(false) }
    }
}

/// A file that is being written.
pub(super) struct Output {
    file: Arc<File>,
    /// Whether the file is open for direct writes now.
    direct: bool,
    /// The bytes that may wait in the page cache.
    cached: u64,
}

impl Output {
    pub(super) fn new(file: File) -> Self {
        Self { file: Arc::new(file), direct: false, cached: 0 }
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The file, to be synced, once `limit` bytes have gone into the page cache since the last time.
    pub(super) fn due_for_sync(&mut self, limit: u64) -> Option<Arc<File>> {
        if self.cached < limit {
            return None;
        }
        self.cached = 0;
        Some(Arc::clone(&self.file))
    }

    /// Writes all of `bytes` at `offset`.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64, writes: &DirectWrites) -> io::Result<()> {
        let whole = &bytes[..whole_blocks(bytes, offset)];
        let written = if whole.is_empty() { 0 } else { self.write_direct(whole, offset, writes)? };
        let rest = &bytes[written..];
        if rest.is_empty() {
            return Ok(());
        }
        self.set_direct(false)?;
        self.cached += rest.len() as u64;
        self.file.write_all_at(rest, offset + written as u64)
    }

    /// Writes as much of `blocks` as can be written directly; returns how much that was.
    fn write_direct(&mut self, blocks: &[u8], offset: u64, writes: &DirectWrites) -> io::Result<usize> {
        if offset < writes.from || writes.refused.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let mut written = 0;
        let mut refused = self.set_direct(true).is_err();
        while !refused && written < blocks.len() && written.is_multiple_of(BLOCK) {
            match self.file.write_at(&blocks[written..], offset + written as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_refusal(&error) => refused = true,
                Err(error) => return Err(error),
            }
        }
        if refused {
            writes.refused.store(true, Ordering::Relaxed);
        }
        Ok(written)
    }

    fn set_direct(&mut self, direct: bool) -> io::Result<()> {
        if self.direct != direct {
            let mut flags = fcntl_getfl(&self.file)?;
            flags.set(OFlags::DIRECT, direct);
            fcntl_setfl(&self.file, flags)?;
            self.direct = direct;
        }
        Ok(())
    }
}

/// How much of `bytes` can be written directly at `offset`, from its beginning.
fn whole_blocks(bytes: &[u8], offset: u64) -> usize {
    let is_aligned = bytes.as_ptr().align_offset(BLOCK) == 0 && offset.is_multiple_of(BLOCK as u64);
    if is_aligned && bytes.len() >= LEAST { bytes.len() - bytes.len() % BLOCK } else { 0 }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn is_direct(output: &Output) -> bool {
        fcntl_getfl(&output.file).expect("open").contains(OFlags::DIRECT)
    }

    /// Parts of odd lengths and addresses, one after the other; whether any was written directly.
    fn written(folder: &Path, writes: &DirectWrites) -> bool {
        let memory: Vec<u8> = (0..3_u32 << 20).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let aligned = memory.as_ptr().align_offset(BLOCK);
        let (block, large) = (BLOCK, 1 << 20);
        let mut output = Output::new(tempfile::tempfile_in(folder).expect("a file"));
        let (mut expected, mut direct) = (Vec::new(), false);
        for length in [large, 1, block - 1, large - 1, 1, large + 1, block - 1, block + 1, large, large - block] {
            for shift in [0, 1] {
                let part = &memory[aligned + shift..aligned + shift + length];
                output.write(part, expected.len() as u64, writes).expect("written");
                direct |= is_direct(&output);
                expected.extend_from_slice(part);
            }
        }
        let mut found = vec![0; expected.len()];
        output.file().read_exact_at(&mut found, 0).expect("read");
        assert!(found == expected && output.file().metadata().expect("open").len() == expected.len() as u64);
        direct
    }

    #[test]
    fn parts_of_every_length_come_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let writes = DirectWrites::new(0);
        let was_direct = written(folder.path(), &writes);
        assert!(was_direct || writes.refused.load(Ordering::Relaxed), "it was tried");
    }

    #[test]
    fn what_is_refused_is_written_nevertheless_and_not_tried_again() {
        // It takes them or refuses them, with the kernel's version.
        let memory = Path::new("/dev/shm");
        written(memory, &DirectWrites::new(0));
        let writes = DirectWrites::new(0);
        writes.refused.store(true, Ordering::Relaxed);
        assert!(!written(memory, &writes));
    }

    #[test]
    fn the_beginning_stays_in_the_page_cache() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(!written(folder.path(), &DirectWrites::new(DIRECT_FROM)));
    }

    #[test]
    fn a_full_disk_is_an_error_and_no_refusal() {
        let full = File::options().write(true).open("/dev/full").expect("every Linux has it");
        let writes = DirectWrites::new(0);
        let memory = vec![0; 1 << 20];
        let error = Output::new(full).write(&memory[memory.as_ptr().align_offset(BLOCK)..], 0, &writes);
        assert_eq!(error.map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
    }
}
