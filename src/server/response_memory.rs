//! How much memory responses that are sent from memory (manifests, lists, pages) may hold over the whole process, because a client decides
//! how long a response waits to be read. A buffer that many responses share counts once. Blobs are streamed and have a bound of their own.
//!
//! `http::middleware::pending_responses` counts the same bytes per account and address, which only `http` knows; this bound holds for any
//! router, and below the share of one owner.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Below this an answer costs no more than the connection that it is for.
pub(super) const SMALL: usize = 16 * 1024;
/// What all larger answers may hold.
const LIMIT: usize = 32 * 1024 * 1024;

/// Counts what is held.
#[derive(Debug)]
pub(super) struct ResponseMemory {
    limit: usize,
    held: Mutex<Buffers>,
}

#[derive(Debug, Default)]
struct Buffers {
    bytes: usize,
    /// How many answers hold a buffer, by its address and length: it cannot be another one as long as one of them has it.
    uses: HashMap<(usize, usize), usize>,
}

/// The right of an answer to hold its bytes; given back when dropped.
#[derive(Debug)]
pub(super) struct HeldMemory {
    memory: Arc<ResponseMemory>,
    buffer: (usize, usize),
}

impl ResponseMemory {
    pub(super) fn new() -> Self {
        Self { limit: LIMIT, held: Mutex::default() }
    }

    /// Room for these bytes. One answer always finds room, however large it is.
    pub(super) fn hold(self: &Arc<Self>, bytes: &Bytes) -> Option<HeldMemory> {
        let buffer = (bytes.as_ptr() as usize, bytes.len());
        let mut held = self.held();
        if !held.uses.contains_key(&buffer) {
            if held.bytes > 0 && held.bytes + bytes.len() > self.limit {
                return None;
            }
            held.bytes += bytes.len();
        }
        *held.uses.entry(buffer).or_default() += 1;
        drop(held);
        Some(HeldMemory { memory: Arc::clone(self), buffer })
    }

    /// Each change is complete in itself, so a panic elsewhere leaves the count sound.
    fn held(&self) -> MutexGuard<'_, Buffers> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        let mut held = self.memory.held();
        let Some(uses) = held.uses.get_mut(&self.buffer) else { return };
        *uses -= 1;
        if *uses == 0 {
            held.uses.remove(&self.buffer);
            held.bytes -= self.buffer.1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_counts_once_and_what_is_sent_no_more() {
        let memory = Arc::new(ResponseMemory { limit: 100, held: Mutex::default() });
        let (manifest, other) = (Bytes::from(vec![1; 80]), Bytes::from(vec![2; 80]));
        let first = memory.hold(&manifest).expect("room");
        let second = memory.hold(&manifest.clone()).expect("it is there already");
        assert!(memory.hold(&other).is_none(), "that would be 160");
        drop(first);
        assert!(memory.hold(&other).is_none(), "one answer still holds the first");
        drop(second);
        assert!(memory.hold(&other).is_some());
        assert!(memory.hold(&Bytes::from(vec![0; 200])).is_some(), "one finds room, however large");
        assert!(memory.held().uses.is_empty() && memory.held().bytes == 0);
    }
}
