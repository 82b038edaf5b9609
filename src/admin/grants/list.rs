//! All grants, or some of them.

use super::Grant;
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::{Glob, Grantee};

impl Administration {
    /// The grants to a grantee, or on a pattern, or both; all of them without either. Ordered by grantee and pattern.
    pub(crate) async fn grants(
        &self,
        _permit: &AdminPermit,
        to: Option<&Grantee>,
        on: Option<&Glob>,
    ) -> Result<Vec<Grant>, AdminError> {
        let grants = self.metadata.grants().await?.into_iter().map(Grant::from);
        let wanted = |grant: &Grant| to.is_none_or(|to| grant.to == *to) && on.is_none_or(|on| grant.on == *on);
        Ok(grants.filter(wanted).collect())
    }
}
