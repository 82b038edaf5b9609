//! A run of all rules: everything is decided first, so that one that would remove much can wait for someone; then each repository is decided
//! about again, and what no rule keeps is removed, unless the repository has changed in between.

use super::Retention;
use super::examine::Bench;
use crate::admin::AdminError;
use crate::domain::{RepositoryName, TagProtection};
use crate::storage::StorageError;
use crate::storage::metadata::{Cause, Change, RetentionRun};

/// A run that would remove more than this share of what the rules decide about waits for someone to confirm it, in percent.
const MOST: u64 = 30;
/// How much is removed in one transaction.
const AT_ONCE: usize = 200;
/// Who acts where no one else does.
const BY_ITSELF: &str = "registry";
/// How often a repository is decided about again that changes meanwhile.
const TRIES: usize = 5;

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many tags and untagged manifests the rules decided about.
    pub(crate) examined: u64,
    /// How many tags were removed.
    pub(crate) tags: u64,
    /// How many untagged manifests were removed.
    pub(crate) manifests: u64,
    /// How many would be removed once someone confirms it; then nothing was.
    pub(crate) waiting: u64,
    /// The rules that ran for the first time.
    pub(crate) rehearsed: Vec<Rehearsal>,
    /// Repositories that changed all the time: the next run decides about them.
    pub(crate) skipped: Vec<RepositoryName>,
}

/// A rule that ran for the first time, and removed nothing.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    /// Its number.
    pub(crate) rule: i64,
    /// How many tags and untagged manifests it would have removed.
    pub(crate) would_remove: u64,
}

/// What a run is going to do.
#[derive(Default)]
struct Plan {
    examined: u64,
    removed: u64,
    repositories: Vec<RepositoryName>,
    rehearsed: Vec<Rehearsal>,
}

impl Retention {
    /// Runs every rule. `confirmed` says that someone has seen how much it removes.
    pub(crate) async fn run(&self, by: &str, confirmed: bool) -> Result<Outcome, AdminError> {
        let bench = self.bench().await?;
        if bench.rules.is_empty() {
            return Ok(Outcome::default());
        }
        let plan = self.plan(&bench).await?;
        let waits = !confirmed && plan.removed * 100 > plan.examined * MOST;
        let mut outcome = Outcome {
            examined: plan.examined,
            waiting: if waits { plan.removed } else { 0 },
            rehearsed: plan.rehearsed,
            ..Outcome::default()
        };
        if !waits {
            for name in plan.repositories {
                self.apply(&bench, &name, &mut outcome).await?;
            }
        }
        let ids: Vec<i64> = outcome.rehearsed.iter().map(|rehearsal| rehearsal.rule).collect();
        if !ids.is_empty() {
            self.metadata.rules_rehearsed(&ids).await?;
        }
        self.metadata.save_retention_run(self.record(by, &outcome)).await?;
        Ok(outcome)
    }

    /// The same by the registry itself, unless the last run is less than this many seconds ago.
    pub(crate) async fn run_if_due(&self, every: i64) -> Result<Option<Outcome>, AdminError> {
        let last = self.metadata.last_retention_run().await?;
        if last.is_some_and(|last| self.clock.seconds() < last.ran_at.saturating_add(every)) {
            return Ok(None);
        }
        Ok(Some(self.run(BY_ITSELF, false).await?))
    }

    fn record(&self, by: &str, outcome: &Outcome) -> RetentionRun {
        RetentionRun {
            ran_at: self.clock.seconds(),
            ran_by: by.to_owned(),
            examined: outcome.examined,
            removed: outcome.tags + outcome.manifests,
            waiting: outcome.waiting,
        }
    }

    async fn plan(&self, bench: &Bench) -> Result<Plan, AdminError> {
        let first = bench.rules.iter().filter(|rule| !rule.is_rehearsed);
        let rehearsed = first.map(|rule| Rehearsal { rule: rule.id, would_remove: 0 }).collect();
        let (mut plan, mut after) = (Plan { rehearsed, ..Plan::default() }, None);
        loop {
            let (names, last) = self.covered(bench, after.as_ref()).await?;
            for name in names {
                self.plan_one(bench, name, &mut plan).await?;
            }
            if last.is_none() {
                return Ok(plan);
            }
            after = last;
        }
    }

    async fn plan_one(&self, bench: &Bench, name: RepositoryName, plan: &mut Plan) -> Result<(), AdminError> {
        let Some(examined) = self.examine(bench, &name, false).await? else { return Ok(()) };
        let decided = examined.decisions().filter(|decision| decision.rule.is_some());
        plan.examined += decided.count() as u64;
        let removed = examined.decisions().filter(|decision| !decision.is_kept).count();
        plan.removed += removed as u64;
        if !plan.rehearsed.is_empty() {
            let rehearsal = examined.rehearsed(bench, &name);
            for decision in rehearsal.tags.iter().chain(rehearsal.untagged.iter().map(|(_, decision)| decision)) {
                let rule = plan.rehearsed.iter_mut().find(|first| Some(first.rule) == decision.rule);
                if let Some(first) = rule.filter(|_| !decision.is_kept) {
                    first.would_remove += 1;
                }
            }
        }
        if removed > 0 {
            plan.repositories.push(name);
        }
        Ok(())
    }

    /// Removes what no rule keeps of a repository.
    async fn apply(&self, bench: &Bench, name: &RepositoryName, outcome: &mut Outcome) -> Result<(), AdminError> {
        let change = Change {
            by: BY_ITSELF.to_owned(),
            cause: Cause::Retention,
            keep: self.settings.keep,
            // Rules that let their tags expire forbid it to clients alone; what the others protect was decided to stay.
            protection: TagProtection::default(),
        };
        for _ in 0..TRIES {
            let Some(examined) = self.examine(bench, name, false).await? else { return Ok(()) };
            let (mut generation, mut is_unchanged) = (examined.stored.generation, true);
            for batch in examined.retired(AT_ONCE) {
                let (tags, manifests) = (batch.tags.len() as u64, batch.manifests.len() as u64);
                is_unchanged = match self.metadata.retire(name, generation, batch, &change).await {
                    // Since a moment ago.
                    Err(StorageError::Held(_)) => false,
                    retired => retired?,
                };
                if !is_unchanged {
                    break;
                }
                generation += 1;
                (outcome.tags, outcome.manifests) = (outcome.tags + tags, outcome.manifests + manifests);
            }
            if is_unchanged {
                return Ok(());
            }
        }
        outcome.skipped.push(name.clone());
        Ok(())
    }
}
