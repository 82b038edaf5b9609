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
pub enum Caught {
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
    pub async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.terminate.recv() => Caught::End,
            _ = self.interrupt.recv() => Caught::End,
            _ = self.hangup.recv() => Caught::Reload,
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
        for (sent, caught) in [(Signal::HUP, Caught::Reload), (Signal::TERM, Caught::End), (Signal::INT, Caught::End)] {
            kill_process(getpid(), sent).unwrap();
            assert_eq!(signals.next().await, caught);
        }
    }
}
