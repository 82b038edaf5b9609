//! A registry moves to other storage while it serves: to another database, another blob store, or both.
//!
//! First the contents of blobs are copied, in rounds, since pushes continue. Then the source is frozen by a word in its database, which
//! every process obeys that works there: pulls continue, changes are refused with "try again". The few contents that came meanwhile are
//! copied, and all rows from one snapshot in one transaction, compared on both sides. At the end the source says where it was moved to, and
//! takes no more changes. Until then the target cannot be served: it says that it is being filled, and by which registry.
//!
//! What is interrupted continues when it is run again: contents that have arrived are written down in the target's database. A failure
//! gives the source free.

mod blobs;
mod files;
mod key;
mod side;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use self::blobs::BlobCopier;
use self::side::Side;
use super::data_directory::DataDirectory;
use super::progress::Progress;
use crate::config::Config;
use crate::domain::Clock;
use crate::server::{SignalEvent, Signals};
use crate::storage::coordination::MovePhase;
use crate::storage::metadata::transfer::{self, Compared};

/// Rounds of contents before the source is frozen, at most.
const ROUNDS: usize = 5;
/// A round that found no more than this is the last one.
const FEW: u64 = 64 << 20;

/// What was moved.
pub(crate) struct MoveReport {
    pub(crate) from: String,
    pub(crate) to: String,
    /// How many contents were copied by this run, and how long they are together.
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
    /// Every table that was copied, the same on both sides.
    pub(crate) tables: Vec<Compared>,
    /// How long changes were refused.
    pub(crate) frozen: std::time::Duration,
}

/// Moves the registry of `config` to the storage of `target`, or with `rehearse`, does all of it and gives the source free.
pub(crate) async fn move_storage(
    config: &Config,
    target: &Config,
    rehearse: bool,
    progress: Arc<dyn Progress>,
) -> anyhow::Result<MoveReport> {
    let data = DataDirectory::at(&config.data_dir);
    let _alone = data.lock_move()?;
    let source = Side::open_source(config, data).await?;
    let target = Side::open_target(target, &source).await?;
    let moving = Moving { source, target, rehearse, progress };
    let mut signals = Signals::catch().context("cannot listen to signals")?;
    let moved = tokio::select! {
        moved = moving.run() => moved,
        () = asked_to_end(&mut signals) => Err(anyhow::anyhow!("interrupted; run the same command again to continue")),
    };
    let moved = match moved {
        Err(error) => Err(moving.give_up(error).await),
        moved => moved,
    };
    moving.source.metadata.close().await?;
    moving.target.metadata.close().await?;
    moved
}

/// SIGTERM or SIGINT.
pub(super) async fn asked_to_end(signals: &mut Signals) {
    while !matches!(signals.next().await, SignalEvent::End) {}
}

/// Gives a registry free that an interrupted move has frozen, or that is not to be moved after all. Returns where it was to go.
pub(crate) async fn release(config: &Config) -> anyhow::Result<String> {
    let data = DataDirectory::at(&config.data_dir);
    let _alone = data.lock_move()?;
    let source = Side::open_source(config, data).await?;
    let phase = source.metadata.move_phase().await?;
    let released = match phase {
        MovePhase::Leaving(to) | MovePhase::Left(to) => {
            source.metadata.set_move_phase(MovePhase::Settled).await.map(|()| to)
        }
        MovePhase::Settled | MovePhase::Arriving(_) => {
            bail!("{} is not being moved, nothing changed", source.place)
        }
    };
    source.metadata.close().await?;
    Ok(released?)
}

struct Moving {
    source: Side,
    target: Side,
    rehearse: bool,
    progress: Arc<dyn Progress>,
}

impl Moving {
    async fn run(&self) -> anyhow::Result<MoveReport> {
        if self.is_done_already().await? {
            self.source.metadata.set_move_phase(MovePhase::Left(self.target.place.clone())).await?;
            return Ok(self.report((0, 0), Vec::new(), std::time::Duration::ZERO));
        }
        self.claim_target().await?;
        key::bring(&self.source, &self.target).await?;
        let contents = BlobCopier { source: &self.source, target: &self.target, progress: &self.progress };
        let mut copied = (0, 0);
        for _ in 0..if self.same_blobs() { 0 } else { ROUNDS } {
            let round = contents.round("copying blobs").await?;
            copied = (copied.0 + round.0, copied.1 + round.1);
            if round.1 <= FEW && contents.forget_lost().await? == 0 {
                break;
            }
        }
        let clock = Clock::system();
        let since = clock.instant();
        self.freeze().await?;
        if !self.same_blobs() {
            let round = contents.round("copying the last blobs").await?;
            copied = (copied.0 + round.0, copied.1 + round.1);
        }
        let tables = self.copy_rows().await?;
        contents.remove_needless().await?;
        files::copy(&self.source.data, &self.target.data)?;
        self.finish().await?;
        Ok(self.report(copied, tables, clock.instant().saturating_duration_since(since)))
    }

    fn report(&self, (blobs, bytes): (u64, u64), tables: Vec<Compared>, frozen: std::time::Duration) -> MoveReport {
        let (from, to) = (self.source.place.clone(), self.target.place.clone());
        MoveReport { from, to, blobs, bytes, tables, frozen }
    }

    fn same_blobs(&self) -> bool {
        self.source.blob_place == self.target.blob_place
    }

    /// A run before this one was interrupted when only a word in the source was missing.
    async fn is_done_already(&self) -> anyhow::Result<bool> {
        let (source, target) = (&self.source.metadata, &self.target.metadata);
        Ok(matches!(source.move_phase().await?, MovePhase::Leaving(_))
            && target.move_phase().await? == MovePhase::Settled
            && target.instance().await? == source.instance().await?)
    }

    /// From here on the target belongs to this move: it is empty, or what an interrupted run has left.
    async fn claim_target(&self) -> anyhow::Result<()> {
        let (source, target) = (&self.source, &self.target);
        let (instance, place) = (source.metadata.instance().await?, &target.place);
        match source.metadata.move_phase().await? {
            MovePhase::Left(to) => bail!(
                "{} was moved to {to} already. To move it once more, to {place}, give it free first, which loses what was pushed \
                 there: portcullis migrate-storage --release",
                source.place
            ),
            MovePhase::Settled | MovePhase::Leaving(_) | MovePhase::Arriving(_) => {}
        }
        match target.metadata.move_phase().await? {
            MovePhase::Arriving(from) if from == instance => return Ok(()),
            MovePhase::Arriving(_) => bail!("{place} is being filled with another registry: choose an empty database"),
            _ => {}
        }
        if !target.metadata.is_new().await? || target.metadata.blob_totals().await?.count > 0 {
            bail!("{place} holds a registry already: choose an empty database, or remove that one; nothing changed");
        }
        files::require_empty(&source.data, &target.data)?;
        target.metadata.set_move_phase(MovePhase::Arriving(instance)).await?;
        Ok(())
    }

    /// No change is committed in the source from here on.
    async fn freeze(&self) -> anyhow::Result<()> {
        self.progress.begin("waiting for changes that are being made", None);
        self.source.metadata.set_move_phase(MovePhase::Leaving(self.target.place.clone())).await?;
        let mut tables = self.source.tables().await?;
        tables.settle(&transfer::copied().collect::<Vec<_>>()).await?;
        Ok(tables.close().await?)
    }

    async fn copy_rows(&self) -> anyhow::Result<Vec<Compared>> {
        self.progress.begin("copying the database", None);
        let (mut source, mut target) = (self.source.tables().await?, self.target.tables().await?);
        let rows = |table: &'static str, rows| self.progress.rows(table, rows);
        let compared = transfer::copy(&mut *source, &mut *target, !self.same_blobs(), &rows).await?;
        source.close().await?;
        target.close().await?;
        Ok(compared)
    }

    /// The target first: where the process ends in between, the next run finds it complete.
    async fn finish(&self) -> anyhow::Result<()> {
        if self.rehearse {
            return Ok(self.source.metadata.set_move_phase(MovePhase::Settled).await?);
        }
        if let Some(mark) = self.target.metadata.collection_mark().await?.mark {
            self.target.blobs.bind(mark).await?;
        }
        self.target.metadata.set_move_phase(MovePhase::Settled).await?;
        self.source.metadata.set_move_phase(MovePhase::Left(self.target.place.clone())).await?;
        Ok(())
    }

    /// After a failure: changes are possible again in the source.
    async fn give_up(&self, error: anyhow::Error) -> anyhow::Error {
        let phase = self.source.metadata.move_phase().await;
        let frozen = !matches!(phase, Ok(MovePhase::Settled | MovePhase::Left(_) | MovePhase::Arriving(_)));
        // Complete in the target: giving the source free would make two registries of one.
        let complete = self.is_done_already().await.unwrap_or(false);
        if !frozen || complete {
            return error;
        }
        match self.source.metadata.set_move_phase(MovePhase::Settled).await {
            Ok(()) => error,
            Err(also) => error.context(format!(
                "{} still refuses changes ({also}): run the same command again, or portcullis migrate-storage --release",
                self.source.place
            )),
        }
    }
}

/// The configuration in this file alone: no flag and no variable of this process is about the target. Its data directory is `data` where
/// the file names none.
pub(crate) fn read_target(path: &Path, data: &Path) -> anyhow::Result<Config> {
    use crate::config::{Environment, Overrides};
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let parse = |overrides: &Overrides| Config::parse(path, &bytes, overrides, &Environment::default());
    let loaded = parse(&Overrides::default()).or_else(|_| {
        // An ordinary user without a home has no default for it.
        parse(&Overrides { data: Some(data.to_owned()), ..Overrides::default() })
    });
    Ok(loaded?.config)
}
