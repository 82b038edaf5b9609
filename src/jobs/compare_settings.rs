//! Compares the settings of all nodes, and says in the log which differ: a registry whose nodes disagree answers now so, now so.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::admin::{Difference, differences};
use crate::storage::metadata::Metadata;

pub(super) struct CompareSettings {
    store: Arc<dyn Metadata>,
    /// What was logged last.
    known: Vec<Difference>,
}

impl CompareSettings {
    pub(super) fn new(store: Arc<dyn Metadata>) -> Self {
        Self { store, known: Vec::new() }
    }
}

#[async_trait]
impl Work for CompareSettings {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        let found = differences(&self.store.nodes().await?);
        for difference in found.iter().filter(|difference| !self.known.contains(difference)) {
            let fix = if difference.setting.starts_with("client_certificates.") {
                "copy the same files to all of them"
            } else {
                "give all of them the same, then restart those that had another"
            };
            let (setting, values) = (&difference.setting, difference.values_in_words());
            tracing::warn!(setting, "the nodes disagree on a setting: {values}; {fix}");
        }
        if found.is_empty() && !self.known.is_empty() {
            tracing::info!("the settings of all nodes agree");
        }
        self.known = found;
        Ok(())
    }
}
