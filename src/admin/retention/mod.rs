//! Retention: rules, what they would remove, and runs that remove it.

mod examine;
mod preview;
mod rules;
mod run;
mod settings;

pub(crate) use preview::{Previewed, PreviewedRepository, Row};
pub(crate) use rules::LastRun;
pub(crate) use run::Outcome;
pub(crate) use settings::RetentionSettings;

use std::sync::Arc;

use super::Administration;
use crate::auth::AdminPermit;
use crate::domain::Clock;
use crate::storage::metadata::Metadata;

/// Retention of one registry. Its job has one; anyone else gets it with a permit.
#[derive(Clone)]
pub(crate) struct Retention {
    metadata: Arc<dyn Metadata>,
    settings: RetentionSettings,
    clock: Clock,
}

impl Retention {
    /// For the job of a node: it acts for no one else.
    pub(crate) fn new(metadata: Arc<dyn Metadata>, settings: RetentionSettings, clock: Clock) -> Self {
        Self { metadata, settings, clock }
    }
}

impl Administration {
    /// Retention by the holder of this permit.
    pub(crate) fn retention(&self, _permit: &AdminPermit, settings: RetentionSettings) -> Retention {
        Retention::new(Arc::clone(&self.metadata), settings, self.clock.clone())
    }
}
