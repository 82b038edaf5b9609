//! The rules.

use super::Retention;
use crate::admin::{AdminError, ListedRule};
use crate::domain::retention::RetentionRule;
use crate::storage::metadata::RetentionRun;

/// How the last run of all rules ended.
#[derive(Debug)]
pub(crate) struct LastRun {
    /// When, in seconds since the Unix epoch.
    pub(crate) ran_at: i64,
    /// Who ran it.
    pub(crate) ran_by: String,
    /// How many tags and untagged manifests the rules decided about.
    pub(crate) examined: u64,
    /// How many of them were removed.
    pub(crate) removed: u64,
    /// How many wait to be removed until someone confirms it.
    pub(crate) waiting: u64,
}

impl Retention {
    /// Adds a rule after all others; its number is drawn here.
    pub(crate) async fn add(&self, rule: RetentionRule, by: &str) -> Result<RetentionRule, AdminError> {
        rule.validate()?;
        if rule.needs_pull_times() && !self.settings.records_pulls {
            return Err(AdminError::PullsNotRecorded);
        }
        let id = self.metadata.add_retention_rule(rule.clone(), by).await?;
        Ok(RetentionRule { id, ..rule })
    }

    /// All rules, in the order in which they apply.
    pub(crate) async fn rules(&self) -> Result<Vec<ListedRule<RetentionRule>>, AdminError> {
        let records = self.metadata.retention_rules().await?.into_iter();
        let listed = records.map(|record| ListedRule {
            rule: record.rule,
            created_at: record.created_at,
            created_by: record.created_by,
        });
        Ok(listed.collect())
    }

    /// How the last run ended.
    pub(crate) async fn last_run(&self) -> Result<Option<LastRun>, AdminError> {
        let run = self.metadata.last_retention_run().await?;
        Ok(run.map(|RetentionRun { ran_at, ran_by, examined, removed, waiting }| LastRun {
            ran_at,
            ran_by,
            examined,
            removed,
            waiting,
        }))
    }

    /// Removes a rule; what it would have removed is then up to the rules before it.
    pub(crate) async fn remove(&self, id: i64) -> Result<(), AdminError> {
        let is_removed = self.metadata.remove_retention_rule(id).await?;
        if is_removed { Ok(()) } else { Err(AdminError::UnknownRule { id, list: "retention list" }) }
    }
}
