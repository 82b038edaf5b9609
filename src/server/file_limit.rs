//! The limit on open files: most systems start a process with 1024 and let it have far more.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::ServerSettings;

/// Descriptors for what is neither a connection nor a transfer: the database, keys, the log, other listeners, files that stay open for a
/// moment.
const RESERVE: usize = 192;
/// A transfer has a file open, and for a moment a directory.
const PER_REQUEST: usize = 2;

/// Raises the soft limit to the hard one, and where that does not suffice for what is to be served at once, lowers that: connections then
/// wait in the kernel's queue and requests are told to come back, instead of failing halfway.
pub(super) fn fit(settings: &mut ServerSettings) {
    raise();
    let Some(limit) = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()) else { return };
    let (connections, requests) = share(limit, settings.max_connections, settings.max_requests);
    if (connections, requests) == (settings.max_connections, settings.max_requests) {
        return;
    }
    tracing::warn!(
        limit,
        connections,
        requests,
        "the limit on open files is too low for server.max_connections and server.max_requests: fewer are served at once; raise it \
         (systemd: LimitNOFILE, docker: --ulimit nofile)"
    );
    (settings.max_connections, settings.max_requests) = (connections, requests);
}

/// How many connections and requests fit into this many descriptors: all of those asked for, or half of the descriptors for each.
fn share(limit: usize, connections: usize, requests: usize) -> (usize, usize) {
    let free = limit.saturating_sub(RESERVE).max(2 + PER_REQUEST);
    if connections.saturating_add(requests.saturating_mul(PER_REQUEST)) <= free {
        return (connections, requests);
    }
    let connections = connections.min(free / 2);
    (connections, requests.min((free - connections) / PER_REQUEST).max(1))
}

/// A refusal costs capacity, not correctness.
fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit on open files stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_at_once_fits_into_the_descriptors() {
        assert_eq!(share(20_000, 8192, 4096), (8192, 4096), "there is room for all");
        assert_eq!(share(1024, 8192, 4096), (416, 208));
        assert_eq!(share(1024, 100, 4096), (100, 366), "what connections do not need, requests may have");
        let (connections, requests) = share(64, 8192, 4096);
        assert!(connections >= 1 && requests >= 1, "however low the limit, one client is served");
    }
}
