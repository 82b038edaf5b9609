//! Whether the caller of an operation still waits for it. A blocking thread cannot be stopped; one that comes late, after its
//! request was dropped, must not touch a file that the next request has begun to write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Held by the future; the caller is gone when it is dropped.
pub(super) struct Waiting(Arc<AtomicBool>);

/// Asked by the blocking thread.
#[derive(Clone)]
pub(super) struct Caller(Arc<AtomicBool>);

impl Waiting {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    pub(super) fn caller(&self) -> Caller {
        Caller(Arc::clone(&self.0))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Caller {
    pub(super) fn is_gone(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
