//! Which quotas count a repository: a column of its row, which each write reads with the lock that it takes anyway. So a repository without
//! quotas pays nothing, and whether a manifest is counted is never in doubt: the step that counts a repository changes the same row.

use std::collections::BTreeMap;

use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::row::{Columns, damaged};
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::values;

use super::read_pattern;

statements! {
    MEMBERSHIP = "SELECT quotas FROM repositories WHERE id = $1";
    JOIN = "UPDATE repositories SET quotas = $2 WHERE id = $1";
    PATTERNS = "SELECT id, pattern FROM quotas WHERE state < 2";
}

/// The quotas of a repository, by id, and the digest of the last manifest that each counts, in the order of digests; `None` where that
/// is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::storage::metadata::sql) struct Membership(pub(super) BTreeMap<i64, Option<String>>);

impl Membership {
    /// Of a row that has the column `quotas`.
    pub(in crate::storage::metadata::sql) fn of<R: Columns>(found: &R) -> Result<Self, StorageError> {
        let Some(text) = found.optional_text("quotas")? else { return Ok(Self::default()) };
        serde_json::from_str(text).map(Self).map_err(|error| damaged("quotas", &error))
    }

    /// Those that count the manifest of this digest.
    pub(in crate::storage::metadata::sql) fn counting(&self, digest: &Digest) -> Vec<i64> {
        let counts = |upto: &Option<String>| upto.as_ref().is_none_or(|upto| digest.as_str() <= upto.as_str());
        self.0.iter().filter(|(_, upto)| counts(upto)).map(|(quota, _)| *quota).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is stored.
    pub(super) fn text(&self) -> Result<Option<String>, StorageError> {
        if self.is_empty() {
            return Ok(None);
        }
        serde_json::to_string(&self.0).map(Some).map_err(|error| damaged("quotas", &error))
    }
}

/// That of a repository whose row this transaction has locked or made.
pub(in crate::storage::metadata::sql) async fn membership<S: Session>(
    session: &mut S,
    repository: i64,
) -> Result<Membership, StorageError> {
    match session.first(MEMBERSHIP, values![repository]).await? {
        Some(found) => Membership::of(&found),
        None => Ok(Membership::default()),
    }
}

/// Lets every quota that covers a new repository count it from the beginning. The caller holds the lock of the row that says whether there
/// are any, which setting a quota takes as well: none is missed.
pub(in crate::storage::metadata::sql) async fn join<S: Session>(
    session: &mut S,
    repository: i64,
    name: &RepositoryName,
) -> Result<(), StorageError> {
    let mut joined = Membership::default();
    for found in session.all(PATTERNS, values![]).await? {
        if read_pattern(&found)?.matches(name) {
            joined.0.insert(found.integer("id")?, None);
        }
    }
    match joined.text()? {
        Some(text) => session.run(JOIN, values![repository, text]).await.map(|_| ()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_counts_the_manifests_up_to_where_it_is_and_later_all() {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64)).parse::<Digest>().expect("a digest");
        let upto = Some(digest("5").to_string());
        let membership = Membership(BTreeMap::from([(7, None), (9, upto)]));
        assert_eq!(membership.counting(&digest("4")), [7, 9]);
        assert_eq!(membership.counting(&digest("5")), [7, 9]);
        assert_eq!(membership.counting(&digest("6")), [7]);
        let text = membership.text().expect("JSON").expect("not empty");
        assert_eq!(serde_json::from_str::<BTreeMap<i64, Option<String>>>(&text).expect("JSON"), membership.0);
        assert_eq!(Membership::default().text().expect("JSON"), None);
    }
}
