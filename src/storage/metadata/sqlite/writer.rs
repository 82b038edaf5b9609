//! The one thread that writes. Operations queue up while a commit is on its way to the disk; the next commit takes them all, so
//! that the cost of a sync is shared. Each runs in a savepoint: its own failure undoes nothing of the others.
//!
//! A group of operations that all can do without is committed without a sync. Its place in the log is before the next group's, so the next
//! sync makes it durable too, and a power cut before that loses it as a whole, and nothing that came before it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::error::failed;
use super::operation::{Answer, Operation, Queued, Ran};
use crate::storage::StorageError;

/// How many operations wait at most; further ones wait to be queued.
const QUEUE: usize = 1024;
/// How many operations share a commit at most.
const GROUP: usize = 256;

/// The handle of the writing thread, which ends when this is dropped.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

enum Job {
    Write(Box<dyn Operation>),
    Close(oneshot::Sender<Result<(), StorageError>>),
}

impl Writer {
    /// Starts writing on `connection`. On a thread of its own: an operation goes to and from the connection's thread many times, and a
    /// thread that waits for nothing else is cheaper to wake than the runtime.
    pub(super) fn start(connection: SqliteConnection) -> Result<Self, StorageError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let runtime = Handle::current();
        let thread = std::thread::Builder::new().name("metadata-writer".to_owned());
        thread
            .spawn(move || runtime.block_on(write_all(connection, queue)))
            .map_err(|error| StorageError::io("starting the writer of the metadata database".to_owned(), error))?;
        Ok(Self { jobs })
    }

    /// Runs one operation; returns when it is committed or has failed: on the disk too, where it `needs_sync`.
    pub(super) async fn run<T, F>(&self, operation: F, needs_sync: bool) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StorageError>> + Send + 'static,
    {
        let (queued, outcome) = Queued::new(operation, needs_sync);
        self.jobs.send(Job::Write(Box::new(queued))).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    /// Ends what is queued and closes the connection.
    pub(super) async fn close(&self) -> Result<(), StorageError> {
        let (sender, outcome) = oneshot::channel();
        if self.jobs.send(Job::Close(sender)).await.is_err() {
            return Ok(());
        }
        outcome.await.unwrap_or(Ok(()))
    }
}

fn closed() -> StorageError {
    let error = io::Error::other("it is closed, or its writer has stopped: restart the server");
    StorageError::Failed { context: "the metadata database".to_owned(), source: Arc::new(error) }
}

/// The connection that writes.
struct Log {
    connection: SqliteConnection,
    /// Whether its commits are synced; `None` where that is not certain.
    syncs: Option<bool>,
}

async fn write_all(connection: SqliteConnection, mut queue: mpsc::Receiver<Job>) {
    let mut log = Log { connection, syncs: None };
    let mut jobs = Vec::with_capacity(GROUP);
    let mut closing = Vec::new();
    while queue.recv_many(&mut jobs, GROUP).await > 0 {
        let mut group = VecDeque::with_capacity(jobs.len());
        for job in jobs.drain(..) {
            match job {
                Job::Write(operation) => group.push_back(operation),
                Job::Close(sender) => {
                    // What is queued already is still received; then the loop ends.
                    queue.close();
                    closing.push(sender);
                }
            }
        }
        write_group(&mut log, group).await;
    }
    let closed = close(log.connection).await;
    for sender in closing {
        let _ = sender.send(closed.clone());
    }
}

/// Runs operations in one transaction and answers each once it is committed.
async fn write_group(log: &mut Log, mut group: VecDeque<Box<dyn Operation>>) {
    if group.is_empty() {
        return;
    }
    let mut answers = Vec::with_capacity(group.len());
    let committed = commit_group(log, &mut group, &mut answers).await;
    if let Err(error) = &committed {
        tracing::error!(%error, operations = answers.len() + group.len(), "writes to the metadata database failed");
        // SQLite may have rolled back by itself (disk full, input/output error): then there is nothing left to roll back.
        let _ = sqlx::query("ROLLBACK").execute(&mut log.connection).await;
        for operation in group {
            operation.refuse(error.clone());
        }
    }
    for answer in answers {
        answer(committed.clone());
    }
}

/// Plain statements and not sqlx's `Transaction`, whose count of depth goes wrong where `SQLite` rolls back by itself.
async fn commit_group(
    log: &mut Log,
    group: &mut VecDeque<Box<dyn Operation>>,
    answers: &mut Vec<Answer>,
) -> Result<(), StorageError> {
    let sync = group.iter().any(|operation| operation.needs_sync());
    log.begin(sync).await?;
    let connection = &mut log.connection;
    while let Some(operation) = group.pop_front() {
        let Ran { error, answer } = operation.run(connection).await;
        answers.push(answer);
        if let Some(error) = error {
            // Where this fails, SQLite has rolled back everything because of this very error.
            sqlx::raw_sql("ROLLBACK TO operation").execute(&mut *connection).await.map_err(|_| error)?;
        }
        if !group.is_empty() {
            sqlx::raw_sql("RELEASE operation; SAVEPOINT operation").execute(&mut *connection).await.map_err(failed)?;
        }
    }
    sqlx::raw_sql("COMMIT").execute(&mut *connection).await.map_err(failed)?;
    Ok(())
}

impl Log {
    /// Begins a transaction. Each round trip to the connection's thread costs as much as a small statement: hence several in one.
    async fn begin(&mut self, sync: bool) -> Result<(), StorageError> {
        let sql = match (sync, self.syncs == Some(sync)) {
            (_, true) => "BEGIN IMMEDIATE; SAVEPOINT operation",
            (true, false) => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; SAVEPOINT operation",
            (false, false) => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; SAVEPOINT operation",
        };
        self.syncs = None;
        sqlx::raw_sql(sql).execute(&mut self.connection).await.map_err(failed)?;
        self.syncs = Some(sync);
        Ok(())
    }
}

async fn close(mut connection: SqliteConnection) -> Result<(), StorageError> {
    // Another process that reads at this moment makes this a partial one; the next opening continues from there.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}
