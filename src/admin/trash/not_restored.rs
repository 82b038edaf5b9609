//! Why something could not be restored, and what to do instead.

use crate::domain::{Digest, ImageName, RepositoryName, Tag};

/// Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NotRestored {
    /// The trash has no such entry.
    #[error(
        "the trash has no entry {0}: it was restored or pushed again already, or its time (trash.keep) was over; see `portcullis trash list`"
    )]
    UnknownEntry(i64),
    /// No deleted repository has this name.
    #[error("the trash has no repository {0}: see `portcullis trash list`")]
    UnknownRepository(RepositoryName),
    /// No deleted repository of this name existed at that time.
    #[error("the trash has no repository {0} that existed at that time: see `portcullis trash list`")]
    NoRepositoryThen(RepositoryName),
    /// The tag points somewhere again.
    #[error("{0} points to {1} now: `portcullis repo restore {0} --previous` or `--at TIME` moves it back")]
    TagTaken(ImageName, Digest),
    /// A repository of this name was made again.
    #[error(
        "another repository is called {0} now: remove that first, which puts it into the trash (portcullis repo remove {0}), then try again"
    )]
    RepositoryTaken(RepositoryName),
    /// Its repository was deleted as well.
    #[error("its repository {0} is in the trash, too: restore that first (portcullis trash restore {1})")]
    InDeletedRepository(RepositoryName, i64),
    /// The manifest was removed for good.
    #[error("the manifest {1} of {0} was removed for good: trash.keep was over, or it was purged")]
    ContentGone(RepositoryName, Digest),
    /// The tag never was, or did not point anywhere then.
    #[error("the history of {0}:{1} has nothing for that: see `portcullis repo history {0}:{1}`")]
    NothingThen(RepositoryName, Tag),
    /// Nothing would change.
    #[error("{0} points to {1} already")]
    Unchanged(ImageName, Digest),
}
