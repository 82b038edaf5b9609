//! Administration: the use cases on users, grants and repositories. The commands, and whatever else administers, call the same ones.
//!
//! Each takes an [`AdminPermit`], so none can be reached without the right to administer, and each decides every rule itself; a
//! caller parses what it was given, calls, and shows the result. [`AdminError`] is every way in which one can be refused.

mod cluster;
mod error;
mod grants;
mod immutable;
mod quotas;
mod repositories;
mod retention;
mod trash;
mod users;

pub(crate) use cluster::{Cluster, Difference, HeldLease, NodeState, State, differences};
pub(crate) use error::AdminError;
pub(crate) use grants::Grant;
pub(crate) use quotas::{NamespaceUsage, Quota, QuotaProgress, SizedRepository, Sizes};
pub(crate) use repositories::{Hold, Past, PurgedBefore, Repository, TagEntry, TagMoment, TaggedManifest};
pub(crate) use retention::{LastRun, Outcome, Previewed, PreviewedRepository, Retention, RetentionSettings, Row};
pub(crate) use trash::{DeletedItem, Restored};
pub(crate) use users::{NewPassword, NewUser, ReplacedPassword, User, admit_name};

use std::sync::Arc;

use crate::auth::AdminPermit;
use crate::config::{AuthSettings, TrashSettings};
use crate::domain::{Clock, TagProtection};
use crate::storage::metadata::{Cause, Change, Metadata};

/// A rule, and who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedRule<R> {
    /// The rule.
    pub(crate) rule: R,
    /// When it was made, in seconds since the Unix epoch.
    pub(crate) created_at: i64,
    /// By whom.
    pub(crate) created_by: String,
}

/// The administration of one registry.
pub(crate) struct Administration {
    metadata: Arc<dyn Metadata>,
    settings: AuthSettings,
    trash: TrashSettings,
    clock: Clock,
}

impl Administration {
    /// Over this metadata store. The settings are the ones that the server works with.
    pub(crate) fn new(metadata: Arc<dyn Metadata>, settings: AuthSettings, trash: TrashSettings, clock: Clock) -> Self {
        Self { metadata, settings, trash, clock }
    }

    /// A change by the holder of this permit.
    fn change(&self, permit: &AdminPermit, cause: Cause) -> Change {
        Change {
            by: permit.actor().principal().subject(),
            cause,
            keep: self.trash.keep,
            protection: TagProtection::default(),
        }
    }
}

#[cfg(test)]
mod tests;
