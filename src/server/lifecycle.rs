//! When a connection ends: what each event (shutdown, eviction, a time limit) means for it, decided without touching it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::activity::Overdue;
use super::admission::Admitted;
use crate::domain::net::peer_address::PeerAddress;

/// How a connection is closed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The peer is given time to read what was sent last.
    Gracefully,
    /// It does not read, or there is no time.
    AtOnce,
}

/// What happened to a connection.
pub(super) enum Event {
    /// hyper is done with it, with or without an error.
    Over(Option<Box<dyn std::error::Error + Send + Sync>>),
    /// The server's time to drain is over.
    Cut,
    /// The time that it had to end by itself is over.
    TimeToLeave,
    /// The server is about to stop.
    Shutdown,
    /// Another connection needs its place.
    Evicted,
    /// The peer let a limit of time pass.
    Overdue(Overdue),
}

/// What is done about it.
pub(super) enum Action {
    /// Nothing.
    Continue,
    /// The requests under way are the last.
    Finish,
    /// The same, and the connection has a moment to end by itself.
    Leave,
    /// The connection is over.
    End(Close),
}

/// The state of one connection.
pub(super) struct Lifecycle<'c> {
    pub(super) admitted: &'c Admitted,
    /// Whether there was a request.
    pub(super) begun: &'c AtomicBool,
    pub(super) peer: PeerAddress,
    /// Whether it was told that the server is about to stop.
    pub(super) draining: bool,
    /// Whether it was told to end.
    pub(super) leaving: bool,
}

impl Lifecycle<'_> {
    pub(super) fn after(&mut self, event: Event) -> Action {
        let begun = self.begun.load(Ordering::Relaxed);
        match event {
            Event::Over(error) => {
                if let Some(error) = error {
                    tracing::debug!(peer = %self.peer, %error, "connection ended");
                }
                Action::End(Close::Gracefully)
            }
            Event::Cut => Action::End(Close::AtOnce),
            Event::Shutdown | Event::Evicted if !begun => Action::End(Close::AtOnce),
            Event::Shutdown => {
                self.draining = true;
                Action::Finish
            }
            Event::Evicted | Event::Overdue(Overdue::Idle) => {
                self.leaving = true;
                Action::Leave
            }
            Event::TimeToLeave => {
                if self.admitted.is_evicted() || self.admitted.activity().idle_since().is_some() {
                    return Action::End(Close::Gracefully);
                }
                // A request came at the last moment. It is the last: the connection ends by itself after it.
                self.leaving = false;
                Action::Continue
            }
            Event::Overdue(Overdue::Header) => {
                tracing::debug!(peer = %self.peer, "closed: no request in time");
                Action::End(Close::Gracefully)
            }
            Event::Overdue(Overdue::Stalled) => {
                tracing::debug!(peer = %self.peer, "closed: the peer does not take its answers");
                Action::End(Close::AtOnce)
            }
        }
    }
}
