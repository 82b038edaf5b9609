//! The connections of a node: as many as are needed at a time, up to a limit, each kept for the next operation.
//!
//! A connection is given back only after an operation that left it as it was; what failed, or was cancelled, is closed with its
//! connection. Where one turns out to be broken, those that wait here are closed too: the server was restarted, or another one has
//! taken over, and each of them would cost a try. No connection is tested when it is given back, as the pool of the driver does with a
//! round trip after each operation: an operation that meets a broken one is run again anyway.
//!
//! Where the server does not answer in time, one operation at a time tries whether it does again; the others fail at once, so that no
//! queue grows behind a cable that was pulled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::{Broken, broken};
use crate::domain::Clock;

/// How long an operation waits for its turn, and for the server to take a new connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// One that was not used for so long is closed: something in between may have forgotten it without telling.
const IDLE: Duration = Duration::from_mins(1);
/// One that is older is closed: names are resolved again, and its server gives back what it has gathered.
const LIFETIME: Duration = Duration::from_mins(30);

/// See the module.
pub(super) struct Connections {
    options: PgConnectOptions,
    limit: u32,
    turns: Arc<Semaphore>,
    kept: Mutex<Kept>,
    /// Whether an operation tries whether the server answers again.
    is_tried: Arc<AtomicBool>,
    clock: Clock,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Idle>,
    /// Grows when a connection was found broken: those that were made before are closed.
    generation: u64,
    /// Whether the server did not answer in time, and has not since.
    is_away: bool,
}

struct Idle {
    connection: PgConnection,
    made_at: Instant,
    used_at: Instant,
}

/// A connection in use: closed when dropped, unless it is given back.
pub(super) struct Lent {
    pub(super) connection: PgConnection,
    made_at: Instant,
    generation: u64,
    _turn: OwnedSemaphorePermit,
    _trial: Option<Trial>,
}

/// The right to try a server that did not answer.
struct Trial(Arc<AtomicBool>);

impl Drop for Trial {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Connections {
    pub(super) fn new(options: PgConnectOptions, limit: u32, clock: Clock) -> Self {
        let turns = Arc::new(Semaphore::new(limit as usize));
        Self { options, limit, turns, kept: Mutex::default(), is_tried: Arc::default(), clock }
    }

    /// A connection that waits here, else a new one.
    pub(super) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        let turn = timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let trial = self.trial()?;
        let now = self.clock.instant();
        let (waiting, generation) = self.take(now);
        if let Some(Idle { connection, made_at, .. }) = waiting {
            return Ok(Lent { connection, made_at, generation, _turn: turn, _trial: trial });
        }
        match connect(&self.options).await {
            Ok(connection) => Ok(Lent { connection, made_at: now, generation, _turn: turn, _trial: trial }),
            Err(error) => {
                if let Some(how) = broken(&error) {
                    self.broke(generation, how);
                }
                Err(error)
            }
        }
    }

    /// Nothing is needed while the server answers; else one at a time has this.
    fn trial(&self) -> Result<Option<Trial>, sqlx::Error> {
        if !self.kept().is_away {
            return Ok(None);
        }
        if self.is_tried.swap(true, Ordering::AcqRel) {
            return Err(too_slow("the database server has not answered for a while"));
        }
        Ok(Some(Trial(Arc::clone(&self.is_tried))))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, now: Instant) -> (Option<Idle>, u64) {
        let mut kept = self.kept();
        // The last that was given back is the first to be used again, so the oldest come first.
        let aged = kept.idle.iter().take_while(|idle| now.saturating_duration_since(idle.used_at) > IDLE).count();
        kept.idle.drain(..aged);
        (kept.idle.pop(), kept.generation)
    }

    /// Keeps a connection that is in no transaction and has answered all it was asked.
    pub(super) fn give_back(&self, lent: Lent) {
        let Lent { connection, made_at, generation, _turn, _trial } = lent;
        let used_at = self.clock.instant();
        let mut kept = self.kept();
        kept.is_away = false;
        let is_young = used_at.saturating_duration_since(made_at) < LIFETIME;
        if is_young && generation == kept.generation && !self.turns.is_closed() {
            kept.idle.push(Idle { connection, made_at, used_at });
        }
    }

    /// Takes note of how a connection of this generation was broken.
    pub(super) fn broke(&self, generation: u64, how: Broken) {
        let mut kept = self.kept();
        kept.is_away |= how == Broken::Silent;
        if kept.generation == generation {
            kept.generation += 1;
            kept.idle.clear();
        }
    }

    /// Waits for those in use, for a while, and closes all.
    pub(super) async fn close(&self) {
        let _ = timeout(PATIENCE, self.turns.acquire_many(self.limit)).await;
        self.turns.close();
        let idle = std::mem::take(&mut self.kept().idle);
        for Idle { connection, .. } in idle {
            // The server sees it end in any case.
            let _ = timeout(PATIENCE, connection.close()).await;
        }
    }
}

impl Lent {
    /// What [`Connections::broke`] is told.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }
}

/// A new connection; a server that does not answer is not waited for long.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let connected = timeout(PATIENCE, PgConnection::connect_with(options)).await;
    connected.unwrap_or_else(|_| Err(too_slow("the database server does not answer")))
}

/// The error of waiting too long.
pub(super) fn too_slow(what: &str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, what))
}
