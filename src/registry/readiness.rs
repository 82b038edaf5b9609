//! Whether a node can serve: its database can be written.
//!
//! A database on another machine may be away for a moment. Every node sees that at the same time, so a balancer that took out each of
//! them at once would leave none: a node says that it is not ready only after the database was away for a while.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::metadata::Metadata;

/// The database is asked no more often, since anyone may ask this.
const AGE: Duration = Duration::from_secs(1);
/// How long its answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a database that does not answer takes no node out of service.
const GRACE: Duration = Duration::from_secs(10);

/// What the database said last.
#[derive(Default)]
pub(super) struct Readiness(Mutex<Last>);

#[derive(Default)]
struct Last {
    asked: Option<(Instant, Result<(), StorageError>)>,
    /// When it could be written last.
    written: Option<Instant>,
}

impl Readiness {
    pub(super) async fn ask(&self, metadata: &dyn Metadata, clock: &Clock) -> Result<(), StorageError> {
        let mut last = self.0.lock().await;
        if let Some((asked, answer)) = &last.asked
            && clock.instant().saturating_duration_since(*asked) < AGE
        {
            return answer.clone();
        }
        let answer = timeout(PATIENCE, metadata.ping()).await;
        let answer =
            answer.unwrap_or_else(|_| Err(StorageError::Unavailable("the database does not answer".to_owned())));
        let now = clock.instant();
        let answer = last.judged(answer, now);
        last.asked = Some((now, answer.clone()));
        answer
    }
}

impl Last {
    fn judged(&mut self, answer: Result<(), StorageError>, now: Instant) -> Result<(), StorageError> {
        match answer {
            Ok(()) => self.written = Some(now),
            Err(StorageError::Unavailable(_))
                if self.written.is_some_and(|at| now.saturating_duration_since(at) < GRACE) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_for_a_moment_takes_no_node_out_of_service() {
        let away = || Err(StorageError::Unavailable(String::new()));
        let (mut last, now) = (Last::default(), Clock::system().instant());
        assert!(last.judged(away(), now).is_err(), "it was never there");
        assert!(last.judged(Ok(()), now).is_ok());
        assert!(last.judged(away(), now + GRACE / 2).is_ok());
        assert!(last.judged(away(), now + GRACE).is_err());
        assert!(last.judged(Ok(()), now + GRACE).is_ok());
        assert!(
            last.judged(Err(StorageError::Full(String::new())), now + GRACE).is_err(),
            "that does not pass by itself"
        );
    }
}
