//! Tells a blocking thread that its request was dropped. Such a thread cannot be stopped; one that begins late must not touch a file that
//! the next request has begun to write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Held by the future; cancels when it is dropped.
pub(super) struct CancelGuard(Arc<AtomicBool>);

/// Asked by the blocking thread.
#[derive(Clone)]
pub(super) struct CancelFlag(Arc<AtomicBool>);

impl CancelGuard {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    pub(super) fn flag(&self) -> CancelFlag {
        CancelFlag(Arc::clone(&self.0))
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl CancelFlag {
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
