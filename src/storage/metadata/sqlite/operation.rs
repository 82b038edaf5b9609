//! A write that waits for its turn, and the caller that waits for it.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use crate::storage::StorageError;

/// A write with any result.
pub(super) trait Operation: Send {
    /// Runs it within a transaction that the caller commits.
    fn run(self: Box<Self>, connection: &mut SqliteConnection) -> BoxFuture<'_, Ran>;

    /// Whether the commit that it is part of must be on the disk before it is answered.
    fn needs_sync(&self) -> bool;

    /// Answers with `error` without running it.
    fn refuse(self: Box<Self>, error: StorageError);
}

/// An operation that has run but is not committed.
pub(super) struct Ran {
    /// Why it failed, where it did; then its effects must be undone.
    pub(super) error: Option<StorageError>,
    /// Tells the caller, given what became of the commit.
    pub(super) answer: Answer,
}

/// Takes the result of the commit to the caller.
pub(super) type Answer = Box<dyn FnOnce(Result<(), StorageError>) + Send>;

/// What a caller wants done.
pub(super) struct Queued<T, F> {
    work: F,
    needs_sync: bool,
    caller: oneshot::Sender<Result<T, StorageError>>,
}

impl<T, F> Queued<T, F> {
    pub(super) fn new(work: F, needs_sync: bool) -> (Self, oneshot::Receiver<Result<T, StorageError>>) {
        let (caller, outcome) = oneshot::channel();
        (Self { work, needs_sync, caller }, outcome)
    }
}

impl<T, F> Operation for Queued<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StorageError>> + Send + 'static,
{
    fn run(self: Box<Self>, connection: &mut SqliteConnection) -> BoxFuture<'_, Ran> {
        Box::pin(async move {
            let Self { work, caller, .. } = *self;
            let result = work(connection).await;
            let error = result.as_ref().err().cloned();
            // No one listens where the request was dropped; the operation counts nevertheless.
            let answer: Answer = Box::new(move |committed| {
                let _ = caller.send(result.and_then(|value| committed.map(|()| value)));
            });
            Ran { error, answer }
        })
    }

    fn needs_sync(&self) -> bool {
        self.needs_sync
    }

    fn refuse(self: Box<Self>, error: StorageError) {
        let _ = self.caller.send(Err(error));
    }
}
