//! What a connection is doing, kept in a few atomics: the accept loop asks it which connection has been idle for the longest, and the
//! connection itself when a time limit is over.
//!
//! A request is under way from its head to the moment at which the last byte of its answer has left for the socket. Until then that
//! part of the response is *unsent*: it waits for the peer to read it, on HTTP/2 for a window to open. What is unsent for too long is a stall.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::unsent_parts::UnsentParts;

/// No time at all.
const NEVER: u64 = u64::MAX;
/// A peer that takes something now and then, but far too little, has this many times the limit for one part of an answer.
const SLOW: u64 = 10;

/// Milliseconds since the process began to count.
pub(super) fn now() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    millis(BEGAN.elapsed())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER)
}

/// How long a connection may do what it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Without a request.
    pub(super) idle: Duration,
    /// From the first byte of a request to the end of its head.
    pub(super) header: Duration,
    /// Without the peer taking a part of an answer.
    pub(super) stall: Duration,
}

/// Which limit is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// No request came.
    Idle,
    /// A request began and its head did not end.
    Header,
    /// The peer does not take what it asked for.
    Stalled,
}

/// When a limit will be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    at: u64,
    pub(super) what: Overdue,
}

impl Due {
    fn after(since: u64, limit: u64, what: Overdue) -> Self {
        Self { at: since.saturating_add(limit), what }
    }

    pub(super) fn left(&self) -> Duration {
        Duration::from_millis(self.at.saturating_sub(now()))
    }
}

/// One connection's.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests under way, including those whose responses are unsent.
    under_way: AtomicUsize,
    /// When a request last began, got on, or ended.
    moved: AtomicU64,
    /// When the first byte of the next request came; [`NEVER`] while none has. HTTP/1 only.
    head: AtomicU64,
    /// HTTP/2: a byte without a request is not the beginning of one.
    multiplexed: AtomicBool,
    /// Nothing will be served any more.
    closing: AtomicBool,
    /// The socket takes nothing at the moment.
    blocked: AtomicBool,
    /// When the socket last began to take something again.
    unblocked: AtomicU64,
    unsent: Arc<UnsentParts>,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct ActiveRequest(Arc<Activity>);

impl Activity {
    /// Of a connection that has just begun: its first request is awaited.
    pub(super) fn new() -> Self {
        let now = now();
        Self {
            under_way: AtomicUsize::new(0),
            moved: AtomicU64::new(now),
            head: AtomicU64::new(now),
            multiplexed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            unblocked: AtomicU64::new(0),
            unsent: Arc::default(),
        }
    }

    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>, multiplexed: bool) -> ActiveRequest {
        self.multiplexed.store(multiplexed, Relaxed);
        self.under_way.fetch_add(1, Relaxed);
        self.head.store(NEVER, Relaxed);
        self.touch();
        ActiveRequest(Arc::clone(self))
    }

    /// Something got on: a part of a body came or went.
    pub(super) fn touch(&self) {
        self.moved.store(now(), Relaxed);
    }

    /// Bytes came. Between two requests they are the beginning of the next one.
    pub(super) fn read(&self) {
        if self.under_way.load(Relaxed) == 0 && !self.multiplexed.load(Relaxed) && self.head.load(Relaxed) == NEVER {
            self.head.store(now(), Relaxed);
        }
    }

    /// Whether the socket takes what is written.
    pub(super) fn wrote(&self, blocked: bool) {
        if self.blocked.swap(blocked, Relaxed) && !blocked {
            self.unblocked.store(now(), Relaxed);
        }
    }

    /// Nothing is served any more: the peer is only given time to read.
    pub(super) fn close(&self) {
        self.closing.store(true, Relaxed);
    }

    /// The unsent parts of all responses of the connection.
    pub(super) fn unsent(&self) -> &Arc<UnsentParts> {
        &self.unsent
    }

    /// Since when nothing has been asked of the connection; `None` while a request is under way.
    pub(super) fn idle_since(&self) -> Option<u64> {
        if self.closing.load(Relaxed) {
            return Some(0);
        }
        (self.under_way.load(Relaxed) == 0).then(|| self.moved.load(Relaxed))
    }

    /// Since when nothing has moved, where that is longer than `quiet`.
    pub(super) fn quiet_since(&self, quiet: Duration) -> Option<u64> {
        let moved = self.moved.load(Relaxed);
        (now().saturating_sub(moved) >= millis(quiet)).then_some(moved)
    }

    /// When the next time limit is over; `None` while requests are in progress and nothing is unsent.
    pub(super) fn due(&self, limits: &Limits) -> Option<Due> {
        if self.under_way.load(Relaxed) > 0 {
            // Single streams are ended first; this is for what they leave behind.
            return self.stalled_at(&self.unsent, limits.stall + limits.stall / 4);
        }
        let head = self.head.load(Relaxed);
        if head != NEVER {
            return Some(Due::after(head, millis(limits.header), Overdue::Header));
        }
        Some(Due::after(self.moved.load(Relaxed), millis(limits.idle), Overdue::Idle))
    }

    /// When these unsent parts are a stall. While the socket itself is blocked, or takes little by little, the window of a stream is not what
    /// holds them up, and the peer has far longer.
    pub(super) fn stalled_at(&self, unsent: &UnsentParts, limit: Duration) -> Option<Due> {
        let oldest = unsent.oldest()?;
        let limit = millis(limit);
        let slow = Due::after(oldest, limit.saturating_mul(SLOW), Overdue::Stalled);
        if self.blocked.load(Relaxed) {
            return Some(slow);
        }
        let since = oldest.max(self.unblocked.load(Relaxed));
        let due = Due::after(since, limit, Overdue::Stalled);
        Some(if due.at < slow.at { due } else { slow })
    }
}

impl ActiveRequest {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.0
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.touch();
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { idle: Duration::from_secs(75), header: Duration::from_secs(8), stall: Duration::from_mins(1) };

    fn what(activity: &Activity) -> Option<Overdue> {
        activity.due(&LIMITS).map(|due| due.what)
    }

    #[test]
    fn a_connection_waits_for_a_head_serves_and_is_idle() {
        let activity = Arc::new(Activity::new());
        assert_eq!(what(&activity), Some(Overdue::Header), "the first request has a limit from the start");
        let request = activity.begin(false);
        assert_eq!((what(&activity), activity.idle_since()), (None, None));
        activity.read();
        drop(request);
        assert_eq!(what(&activity), Some(Overdue::Idle), "what came during a request is not the next one's beginning");
        activity.read();
        assert_eq!(what(&activity), Some(Overdue::Header));
        assert!(activity.idle_since().is_some());
    }

    #[test]
    fn pings_of_http2_are_not_requests() {
        let activity = Arc::new(Activity::new());
        drop(activity.begin(true));
        activity.read();
        assert_eq!(what(&activity), Some(Overdue::Idle));
    }

    #[test]
    fn the_oldest_unsent_part_counts_and_one_that_was_sent_does_not() {
        let activity = Arc::new(Activity::new());
        let request = activity.begin(true);
        let (first, second) = (activity.unsent().add(), activity.unsent().add());
        drop(first);
        assert_eq!(what(&activity), Some(Overdue::Stalled));
        drop(second);
        assert_eq!(what(&activity), None);
        drop(request);
        assert!(activity.idle_since().is_some());
    }

    #[test]
    fn a_socket_that_is_slow_is_not_a_window_that_stays_shut() {
        let activity = Arc::new(Activity::new());
        let _request = activity.begin(true);
        let _unsent = activity.unsent().add();
        let left = |activity: &Activity| activity.due(&LIMITS).expect("unsent").left();
        assert!(left(&activity) <= Duration::from_secs(75));
        activity.wrote(true);
        assert!(left(&activity) > Duration::from_secs(700), "the socket is blocked");
        activity.wrote(false);
        assert!(left(&activity) <= Duration::from_secs(75), "it is not any more");
    }
}
