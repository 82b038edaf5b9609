//! Recycled buffers. Only so many large ones exist at a time, and only so many small ones, so that memory stays bounded however many
//! transfers run: beyond them, transfers continue with tiny ones.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many large buffers stay allocated while no one uses them.
const IDLE: usize = 4;
/// How many small buffers are lent at a time.
const SMALL_BUFFERS: usize = 128;
/// The length of the others.
const TINY: usize = 16 * 1024;

/// Lends buffers.
#[derive(Clone)]
pub(super) struct BufferPool(Arc<Pool>);

struct Pool {
    large: usize,
    small: usize,
    small_lent: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    idle: Vec<Box<[u8]>>,
    /// How many large buffers may still be lent.
    left: usize,
}

/// A buffer, given back when it is dropped. Its first `filled` bytes are its content.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
    home: Home,
}

/// Where a buffer is given back.
enum Home {
    Large(Arc<Pool>),
    Small(Arc<Pool>),
    Nowhere,
}

impl BufferPool {
    /// Lends at most `count` buffers of `large` bytes at a time, and 128 of `small` bytes.
    pub(super) fn new(large: usize, small: usize, count: usize) -> Self {
        let small_lent = AtomicUsize::new(0);
        Self(Arc::new(Pool { large, small, small_lent, state: Mutex::new(State { idle: Vec::new(), left: count }) }))
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
        let bytes = state.idle.pop();
        drop(state);
        let bytes = bytes.unwrap_or_else(|| zeroed(pool.large));
        Buffer { bytes, filled: 0, home: Home::Large(Arc::clone(pool)) }
    }

    /// A small buffer, or a tiny one where all small ones are lent.
    pub(super) fn take_small(&self) -> Buffer {
        self.take_exact(self.0.small)
    }

    /// A buffer of `length` bytes, at most a small one.
    pub(super) fn take_exact(&self, length: usize) -> Buffer {
        let pool = &self.0;
        let length = length.min(pool.small);
        if length > TINY && pool.small_lent.fetch_add(1, Ordering::Relaxed) < SMALL_BUFFERS {
            return Buffer { bytes: zeroed(length), filled: 0, home: Home::Small(Arc::clone(pool)) };
        }
        if length > TINY {
            pool.small_lent.fetch_sub(1, Ordering::Relaxed);
        }
        Buffer { bytes: zeroed(length.min(TINY)), filled: 0, home: Home::Nowhere }
    }
}

fn zeroed(length: usize) -> Box<[u8]> {
    vec![0; length].into_boxed_slice()
}

impl Buffer {
    /// Copies as much of `bytes` as there is room for; returns how much that was.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> usize {
        let room = &mut self.bytes[self.filled..];
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        count
    }

    /// The room for up to `length` bytes from the start; [`Buffer::set_filled`] says how much of it counts.
    pub(super) fn room(&mut self, length: u64) -> &mut [u8] {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(self.bytes.len());
        &mut self.bytes[..length]
    }

    pub(super) fn set_filled(&mut self, filled: usize) {
        self.filled = filled.min(self.bytes.len());
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.home, Home::Nowhere) {
            Home::Large(pool) => {
                let mut state = pool.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.left += 1;
                if state.idle.len() < IDLE {
                    state.idle.push(std::mem::take(&mut self.bytes));
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
        let pool = BufferPool::new(100, 10, 2);
        let (first, second, third) = (pool.take(), pool.take(), pool.take());
        assert_eq!((first.bytes.len(), second.bytes.len(), third.bytes.len()), (100, 100, 10));
        drop(first);
        assert_eq!(pool.take().bytes.len(), 100);
    }

    #[test]
    fn small_buffers_are_bounded_too_and_what_is_beyond_is_tiny() {
        let pool = BufferPool::new(64 * 1024, 32 * 1024, 0);
        let lent: Vec<Buffer> = (0..SMALL_BUFFERS).map(|_| pool.take()).collect();
        assert!(lent.iter().all(|buffer| buffer.bytes.len() == 32 * 1024));
        assert_eq!((pool.take().bytes.len(), pool.take_exact(100).bytes.len()), (TINY, 100));
        drop(lent);
        assert_eq!(pool.take().bytes.len(), 32 * 1024);
    }

    #[test]
    fn a_recycled_buffer_starts_empty() {
        let pool = BufferPool::new(4, 2, 1);
        let mut buffer = pool.take();
        assert_eq!(buffer.fill(b"abcdef"), 4);
        assert!(buffer.is_full() && buffer.as_ref() == b"abcd");
        drop(buffer);
        assert_eq!(pool.take().as_ref(), b"");
    }
}
