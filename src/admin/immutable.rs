//! Rules about tags that clients may not move or delete.

use super::{AdminError, Administration, ListedRule};
use crate::auth::AdminPermit;
use crate::domain::ImmutableRule;

impl Administration {
    /// Adds a rule after all others; its number is drawn here.
    pub(crate) async fn add_immutable_rule(
        &self,
        permit: &AdminPermit,
        rule: ImmutableRule,
    ) -> Result<ImmutableRule, AdminError> {
        let by = permit.actor().principal().subject();
        let id = self.metadata.add_immutable_rule(rule.clone(), &by).await?;
        Ok(ImmutableRule { id, ..rule })
    }

    /// All rules, in the order in which they apply.
    pub(crate) async fn immutable_rules(
        &self,
        _permit: &AdminPermit,
    ) -> Result<Vec<ListedRule<ImmutableRule>>, AdminError> {
        let records = self.metadata.immutable_rules().await?.into_iter();
        let listed = records.map(|record| ListedRule {
            rule: record.rule,
            created_at: record.created_at,
            created_by: record.created_by,
        });
        Ok(listed.collect())
    }

    /// Removes a rule.
    pub(crate) async fn remove_immutable_rule(&self, _permit: &AdminPermit, id: i64) -> Result<(), AdminError> {
        let is_removed = self.metadata.remove_immutable_rule(id).await?;
        if is_removed { Ok(()) } else { Err(AdminError::UnknownRule { id, list: "immutable list" }) }
    }
}
