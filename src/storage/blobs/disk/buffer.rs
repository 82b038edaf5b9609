//! Recycled buffers. Only so many large ones exist at a time, and only so many small ones, so that memory stays bounded however many
//! transfers run: beyond them, transfers continue with tiny ones.
//!
//! Where in a page a buffer begins is chosen (its `phase`). Processors copy very slowly between two places of which one is a few bytes
//! behind the other, modulo a page: AMD's `rep movsb` at 3.5 GB/s instead of 52. TLS copies what it encrypts to a few bytes behind the
//! beginning of a page, so what is read to be sent begins in the middle of one.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes of large buffers stay allocated while no one uses them.
const IDLE: usize = 4 * 1024 * 1024;
/// How many small buffers are lent at a time.
const SMALL_BUFFERS: usize = 128;
/// The length of the others.
const TINY: usize = 16 * 1024;
const PAGE: usize = 4096;

/// Lends buffers.
#[derive(Clone)]
pub(super) struct BufferPool(Arc<Pool>);

struct Pool {
    large: usize,
    small: usize,
    phase: usize,
    small_lent: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    idle: Vec<Room>,
    /// How many large buffers may still be lent.
    left: usize,
}

/// A buffer, given back when it is dropped. Its first `filled` bytes are its content.
pub(super) struct Buffer {
    room: Room,
    filled: usize,
    home: Home,
}

/// Memory of which a part is used: the part that begins where it should within a page.
#[derive(Default)]
struct Room {
    memory: Box<[u8]>,
    used: Range<usize>,
}

/// Where a buffer is given back.
enum Home {
    Large(Arc<Pool>),
    Small(Arc<Pool>),
    Nowhere,
}

impl BufferPool {
    /// Lends at most `count` buffers of `large` bytes at a time, and 128 of `small` bytes. Each begins `phase` bytes after the beginning
    /// of a page, but for those that are shorter than a page.
    pub(super) fn new(large: usize, small: usize, count: usize, phase: usize) -> Self {
        let (small_lent, state) = (AtomicUsize::new(0), Mutex::new(State { idle: Vec::new(), left: count }));
        Self(Arc::new(Pool { large, small, phase, small_lent, state }))
    }

    /// A large buffer, or a small one where all large ones are lent.
    pub(super) fn take(&self) -> Buffer {
        let pool = &self.0;
        let mut state = pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.left == 0 {
            drop(state);
            return self.take_small();
        }
        state.left -= 1;
        let room = state.idle.pop();
        drop(state);
        let room = room.unwrap_or_else(|| Room::new(pool.large, pool.phase));
        Buffer { room, filled: 0, home: Home::Large(Arc::clone(pool)) }
    }

    /// A small buffer, or a tiny one where all small ones are lent.
    pub(super) fn take_small(&self) -> Buffer {
        self.take_exact(self.0.small)
    }

    /// A small buffer for what begins at `offset` of a file: shorter by so much that it ends where a page of the file does.
    pub(super) fn take_small_until_page(&self, offset: u64) -> Buffer {
        let mut buffer = self.take_small();
        let over = usize::try_from(offset % PAGE as u64).unwrap_or_default();
        buffer.room.used.end -= over.min(buffer.room.used.len() - 1);
        buffer
    }

    /// A buffer of `length` bytes, at most a small one.
    pub(super) fn take_exact(&self, length: usize) -> Buffer {
        let pool = &self.0;
        let length = length.min(pool.small);
        if length > TINY && pool.small_lent.fetch_add(1, Ordering::Relaxed) < SMALL_BUFFERS {
            return Buffer { room: Room::new(length, pool.phase), filled: 0, home: Home::Small(Arc::clone(pool)) };
        }
        if length > TINY {
            pool.small_lent.fetch_sub(1, Ordering::Relaxed);
        }
        Buffer { room: Room::new(length.min(TINY), pool.phase), filled: 0, home: Home::Nowhere }
    }
}

impl Room {
    fn new(length: usize, phase: usize) -> Self {
        if length < PAGE {
            return Self { memory: vec![0; length].into(), used: 0..length };
        }
        let memory: Box<[u8]> = vec![0; length + PAGE].into();
        let start = (memory.as_ptr().align_offset(PAGE) + phase) % PAGE;
        Self { memory, used: start..start + length }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.used.clone()]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.used.clone()]
    }
}

impl Buffer {
    /// Copies as much of `bytes` as there is room for; returns how much that was.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> usize {
        let room = &mut self.room.bytes_mut()[self.filled..];
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        count
    }

    /// The room for up to `length` bytes from the start; [`Buffer::set_filled`] says how much of it counts.
    pub(super) fn room(&mut self, length: u64) -> &mut [u8] {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(self.room.used.len());
        &mut self.room.bytes_mut()[..length]
    }

    pub(super) fn set_filled(&mut self, filled: usize) {
        self.filled = filled.min(self.room.used.len());
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == self.room.used.len()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.room.bytes()[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.home, Home::Nowhere) {
            Home::Large(pool) => {
                let mut state = pool.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.left += 1;
                if state.idle.len() * pool.large < IDLE {
                    state.idle.push(std::mem::take(&mut self.room));
                }
            }
            Home::Small(pool) => {
                pool.small_lent.fetch_sub(1, Ordering::Relaxed);
            }
            Home::Nowhere => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_few_and_come_back() {
        let pool = BufferPool::new(100, 10, 2, 0);
        let (first, second, third) = (pool.take(), pool.take(), pool.take());
        assert_eq!((first.room.used.len(), second.room.used.len(), third.room.used.len()), (100, 100, 10));
        drop(first);
        assert_eq!(pool.take().room.used.len(), 100);
    }

    #[test]
    fn small_buffers_are_bounded_too_and_what_is_beyond_is_tiny() {
        let pool = BufferPool::new(64 * 1024, 32 * 1024, 0, 0);
        let lent: Vec<Buffer> = (0..SMALL_BUFFERS).map(|_| pool.take()).collect();
        assert!(lent.iter().all(|buffer| buffer.room.used.len() == 32 * 1024));
        assert_eq!((pool.take().room.used.len(), pool.take_exact(100).room.used.len()), (TINY, 100));
        drop(lent);
        assert_eq!(pool.take().room.used.len(), 32 * 1024);
    }

    #[test]
    fn a_recycled_buffer_starts_empty() {
        let pool = BufferPool::new(4, 2, 1, 0);
        let mut buffer = pool.take();
        assert_eq!(buffer.fill(b"abcdef"), 4);
        assert!(buffer.is_full() && buffer.as_ref() == b"abcd");
        drop(buffer);
        assert_eq!(pool.take().as_ref(), b"");
    }

    #[test]
    fn a_buffer_begins_where_it_should_within_a_page_also_when_it_comes_back() {
        let pool = BufferPool::new(64 * 1024, 32 * 1024, 1, 2048);
        for _ in 0..2 {
            let (large, small, tiny) = (pool.take(), pool.take_small(), pool.take_exact(TINY));
            for buffer in [large, small, tiny] {
                assert_eq!(buffer.room.bytes().as_ptr().addr() % PAGE, 2048);
            }
        }
    }
}
