//! The connections of a node, in a pool of the crate `deadpool`: as many as are needed at a time, up to a limit, each kept for the next
//! operation. What this file adds is when a connection is not used again, and what happens while the server is silent.
//!
//! A connection is given back only after an operation that left it as it was; what failed, or was cancelled, is closed with its
//! connection. Where one turns out to be broken, those that wait here are closed too: the server was restarted, or another one has
//! taken over, and each of them would cost a try. No connection is tested when it is used again, as the pool of the driver does with a
//! round trip after each operation: an operation that meets a broken one is run again anyway.
//!
//! Where the server does not answer in time, one operation at a time tries whether it does again; the others fail at once, so that no
//! queue grows behind a cable that was pulled.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::error::{Broken, broken};
use crate::domain::Clock;
use crate::storage::StorageError;

/// How long an operation waits for its turn, and for the server to take a new connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// One that was not used for so long is closed: something in between may have forgotten it without telling.
const IDLE: Duration = Duration::from_mins(1);
/// One that is older is closed: names are resolved again, and its server gives back what it has gathered.
const LIFETIME: Duration = Duration::from_mins(30);
/// How often those in use are checked when the pool is closed.
const LOOK: Duration = Duration::from_millis(20);

/// See the module.
pub(super) struct Connections {
    pool: Pool<Server>,
    /// When those that wait were last looked through.
    swept_at: Mutex<Instant>,
}

/// Makes connections, and says which are used again.
struct Server {
    options: PgConnectOptions,
    clock: Clock,
    /// Grows when a connection was found broken: those that were made before are closed.
    generation: AtomicU64,
    /// Whether the server did not answer in time, and has not since.
    is_away: AtomicBool,
    /// Whether an operation tries whether it answers again.
    is_tried: Arc<AtomicBool>,
}

/// A connection of the pool.
struct Kept {
    connection: PgConnection,
    generation: u64,
    made_at: Instant,
    used_at: Instant,
    trial: Option<Trial>,
}

/// The right to try a server that did not answer.
struct Trial(Arc<AtomicBool>);

impl Drop for Trial {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A connection in use: closed when dropped, unless it is given back.
pub(super) struct Lent(Option<Object<Server>>);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

impl Connections {
    pub(super) fn new(options: PgConnectOptions, limit: u32, clock: Clock) -> Result<Self, StorageError> {
        let swept_at = Mutex::new(clock.instant());
        let server = Server {
            options,
            clock,
            generation: AtomicU64::new(0),
            is_away: AtomicBool::new(false),
            is_tried: Arc::default(),
        };
        let pool = Pool::builder(server)
            .max_size(limit as usize)
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(PATIENCE))
            .runtime(Runtime::Tokio1)
            .build();
        let pool = pool.map_err(|error| StorageError::Failed {
            context: "the connections to the metadata database".to_owned(),
            source: Arc::new(error),
        })?;
        Ok(Self { pool, swept_at })
    }

    /// A connection that waits here, else a new one.
    pub(super) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        self.pool.get().await.map(|object| Lent(Some(object))).map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(TimeoutType::Wait) => sqlx::Error::PoolTimedOut,
            _ => sqlx::Error::PoolClosed,
        })
    }

    /// Keeps a connection that is in no transaction and has answered all it was asked.
    pub(super) fn give_back(&self, mut lent: Lent) {
        let server = self.pool.manager();
        let now = server.clock.instant();
        server.is_away.store(false, Ordering::Release);
        if let Some(mut object) = lent.0.take() {
            object.used_at = now;
            object.trial = None;
        }
        self.sweep(now);
    }

    /// The last that was given back is the first to be used again: of those that are never reached, the old ones are closed.
    fn sweep(&self, now: Instant) {
        let Ok(mut swept_at) = self.swept_at.try_lock() else { return };
        if now.saturating_duration_since(*swept_at) > IDLE {
            *swept_at = now;
            self.close_unusable(now);
        }
    }

    fn close_unusable(&self, now: Instant) {
        self.pool.retain(|kept, _| self.pool.manager().is_usable(kept, now));
    }

    /// Takes note of how a lent connection was broken.
    pub(super) fn broke(&self, lent: &Lent, how: Broken) {
        let server = self.pool.manager();
        if let Some(kept) = &lent.0 {
            server.broke(kept.generation, how);
            self.close_unusable(server.clock.instant());
        }
    }

    /// Closes all, and waits for those in use, for a while.
    pub(super) async fn close(&self) {
        for kept in self.pool.retain(|_, _| false).removed {
            // The server sees it end in any case.
            let _ = timeout(PATIENCE, kept.connection.close()).await;
        }
        self.pool.close();
        let _ = timeout(PATIENCE, async {
            while self.pool.status().size > 0 {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
    }
}

impl Lent {
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.as_mut().map(|object| &mut object.connection).ok_or(sqlx::Error::PoolClosed)
    }
}

impl Manager for Server {
    type Type = Kept;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Kept, sqlx::Error> {
        let (trial, generation) = (self.trial()?, self.generation.load(Ordering::Acquire));
        // Boxed: it is large, and a part of every operation else.
        let connection = Box::pin(connect(&self.options)).await.inspect_err(|error| {
            if let Some(how) = broken(error) {
                self.broke(generation, how);
            }
        })?;
        let made_at = self.clock.instant();
        Ok(Kept { connection, generation, made_at, used_at: made_at, trial })
    }

    async fn recycle(&self, kept: &mut Kept, _: &Metrics) -> RecycleResult<sqlx::Error> {
        if self.is_usable(kept, self.clock.instant()) { Ok(()) } else { Err(RecycleError::message("old")) }
    }
}

impl Server {
    /// Nothing is needed while the server answers; else one at a time has this.
    fn trial(&self) -> Result<Option<Trial>, sqlx::Error> {
        if !self.is_away.load(Ordering::Acquire) {
            return Ok(None);
        }
        if self.is_tried.swap(true, Ordering::AcqRel) {
            return Err(too_slow("the database server has not answered for a while"));
        }
        Ok(Some(Trial(Arc::clone(&self.is_tried))))
    }

    fn is_usable(&self, kept: &Kept, now: Instant) -> bool {
        kept.generation == self.generation.load(Ordering::Acquire)
            && now.saturating_duration_since(kept.used_at) < IDLE
            && now.saturating_duration_since(kept.made_at) < LIFETIME
    }

    /// A connection of this generation was broken. Of those that break together, the first counts.
    fn broke(&self, generation: u64, how: Broken) {
        if how == Broken::Silent {
            self.is_away.store(true, Ordering::Release);
        }
        let _ = self.generation.compare_exchange(generation, generation + 1, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// A new connection; a server that does not answer is not waited for long.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    in_time(PATIENCE, PgConnection::connect_with(options)).await
}

/// What the server answers, if it does within `limit`.
pub(super) async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(limit, answer).await.unwrap_or_else(|_| Err(too_slow("the database does not answer")))
}

/// The error of waiting too long.
fn too_slow(what: &str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, what))
}
