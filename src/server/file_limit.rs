//! The limit on open files: most systems start a process with 1024 and let it have far more.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one. A refusal costs capacity, not correctness.
pub(super) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit on open files stays as it is");
    }
}
