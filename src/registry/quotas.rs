//! Quotas as a registry applies them. What is exact happens where a manifest is stored; here is what spares a client the sending of bytes
//! that would be refused in the end: uploads are compared, without a lock, with what was used a moment ago.

use std::sync::{Arc, OnceLock};

use futures_util::StreamExt;

use super::{Registry, RegistryError};
use crate::domain::{Glob, OverQuota, RepositoryName};
use crate::storage::blobs::ByteStream;
use crate::storage::metadata::QuotaRecord;

/// After how many bytes of an upload it is compared again.
const INTERVAL: u64 = 64 * 1024 * 1024;

/// Set when an upload is cut because it does not fit.
pub(super) type Refused = Arc<OnceLock<OverQuota>>;

impl Registry {
    /// Reads what is used of each quota.
    pub async fn follow_quotas(&self) -> Result<(), RegistryError> {
        self.quotas.store(self.metadata.quotas().await?.into());
        Ok(())
    }

    /// Counts a little of what quotas cover and have not counted yet; of which, if any.
    pub async fn count_quotas(&self) -> Result<Option<Glob>, RegistryError> {
        Ok(self.metadata.count_quotas().await?.map(|step| step.on))
    }

    /// Refuses an upload of this length, or more, that a quota of the repository has no room for. What was read a moment ago lets it pass;
    /// before it is refused, the database is asked.
    pub async fn require_room(&self, repository: &RepositoryName, length: u64) -> Result<(), RegistryError> {
        if exceeded(&self.quotas.load(), repository, length).is_none() {
            return Ok(());
        }
        self.follow_quotas().await?;
        exceeded(&self.quotas.load(), repository, length)
            .map_or(Ok(()), |over| Err(RegistryError::OverQuota(over.into())))
    }

    /// The body of an upload to the repository that has so many bytes already: it ends where a quota has no room for more.
    pub(super) fn within_quotas(
        self: &Arc<Self>,
        repository: &RepositoryName,
        before: u64,
        body: ByteStream,
    ) -> (ByteStream, Refused) {
        let refused = Refused::default();
        if !self.quotas.load().iter().any(|quota| quota.on.matches(repository)) {
            return (body, refused);
        }
        let (registry, repository, cut) = (Arc::clone(self), repository.clone(), Arc::clone(&refused));
        let body = body.scan((before, before), move |(length, compare_at), chunk| {
            *length += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            if *length <= *compare_at {
                return std::future::ready(Some(chunk));
            }
            let quotas = registry.quotas.load();
            *compare_at = room(&quotas, &repository).min(*length + INTERVAL);
            let over = exceeded(&quotas, &repository, *length);
            std::future::ready(match over {
                Some(over) => {
                    // Only once: nothing is read of the body after it has ended.
                    let _ = cut.set(over);
                    None
                }
                None => Some(chunk),
            })
        });
        (Box::pin(body), refused)
    }
}

/// The least that is left of a quota of the repository.
fn room(quotas: &[QuotaRecord], repository: &RepositoryName) -> u64 {
    let of_repository = quotas.iter().filter(|quota| quota.on.matches(repository));
    of_repository.map(|quota| quota.limit.saturating_sub(quota.used)).min().unwrap_or(u64::MAX)
}

/// The first quota of the repository that has no room for so many bytes.
fn exceeded(quotas: &[QuotaRecord], repository: &RepositoryName, needed: u64) -> Option<OverQuota> {
    let full =
        quotas.iter().find(|quota| quota.used.saturating_add(needed) > quota.limit && quota.on.matches(repository))?;
    Some(OverQuota { on: full.on.clone(), limit: full.limit, used: full.used, needed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::metadata::QuotaState;

    fn quota(on: &str, limit: u64, used: u64) -> QuotaRecord {
        let on = on.parse().expect("a pattern");
        let (state, drift) = (QuotaState::Counted, None);
        QuotaRecord { on, limit, used, state, drift, created_at: 0, counted_at: None }
    }

    #[test]
    fn the_fullest_quota_of_the_repository_decides() {
        let quotas = [quota("a/**", 100, 60), quota("a/small/**", 10, 8), quota("b/**", 0, 0)];
        let over =
            |name: &str, needed| exceeded(&quotas, &name.parse().expect("a name"), needed).map(|over| over.limit);
        assert_eq!((over("a/x", 40), over("a/x", 41)), (None, Some(100)));
        assert_eq!((over("a/small/x", 2), over("a/small/x", 3)), (None, Some(10)));
        assert_eq!((over("b/x", 1), over("c/x", u64::MAX)), (Some(0), None));
    }
}
