//! The signals that a server obeys: TERM and INT end it, HUP reloads.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The process's signals, caught from the moment that this is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalEvent {
    /// SIGTERM or SIGINT: end the server; a second one is meant for now.
    End,
    /// SIGHUP: read the certificate again.
    Reload,
}

impl Signals {
    /// Begins to catch. Needs a tokio runtime.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Dropping the future loses none.
    pub async fn next(&mut self) -> SignalEvent {
        tokio::select! {
            _ = self.terminate.recv() => SignalEvent::End,
            _ = self.interrupt.recv() => SignalEvent::End,
            _ = self.hangup.recv() => SignalEvent::Reload,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn each_signal_is_caught_and_told_apart() {
        let mut signals = Signals::catch().unwrap();
        for (sent, caught) in
            [(Signal::HUP, SignalEvent::Reload), (Signal::TERM, SignalEvent::End), (Signal::INT, SignalEvent::End)]
        {
            kill_process(getpid(), sent).unwrap();
            assert_eq!(signals.next().await, caught);
        }
    }
}
