//! The token keys in force: one signs, all verify, all are published.

use std::collections::HashMap;

use jsonwebtoken::jwk::JwkSet;

use super::token_key::TokenKey;
use crate::auth::DataKey;
use crate::storage::metadata::TokenKeyRecord;

/// A snapshot of the token keys.
#[derive(Debug, Default)]
pub(in crate::auth) struct KeyRing {
    records: Vec<TokenKeyRecord>,
    keys: HashMap<String, TokenKey>,
}

impl KeyRing {
    /// Opens the keys. One that does not open is left out, and the log says so: the others still serve.
    pub(in crate::auth) fn open(records: Vec<TokenKeyRecord>, data_key: &DataKey) -> Self {
        let mut keys = HashMap::new();
        for record in &records {
            match TokenKey::open(record, data_key) {
                Ok(key) => drop(keys.insert(record.kid.clone(), key)),
                Err(error) => tracing::error!(%error, "a token key is left out"),
            }
        }
        Self { records, keys }
    }

    /// What the ring was made from.
    pub(in crate::auth) fn records(&self) -> &[TokenKeyRecord] {
        &self.records
    }

    /// The key of this name.
    pub(in crate::auth) fn get(&self, kid: &str) -> Option<&TokenKey> {
        self.keys.get(kid)
    }

    /// The key that signs now: the last that has begun to, or else (when the clock was set back) the first that will.
    pub(in crate::auth) fn signing(&self, now: i64) -> Option<&TokenKey> {
        let begun = self.keys.values().filter(|key| key.signs_from <= now).max_by_key(|key| key.signs_from);
        begun.or_else(|| self.keys.values().min_by_key(|key| key.signs_from))
    }

    /// The public halves, in the order in which the keys were made.
    pub(in crate::auth) fn published(&self) -> JwkSet {
        let known = self.records.iter().filter_map(|record| self.keys.get(&record.kid));
        JwkSet { keys: known.map(|key| key.jwk.clone()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_has_begun_signs() {
        let data_key = DataKey::generate();
        let record = |from| TokenKey::generate(&data_key, 0, from).expect("a key");
        let foreign = TokenKey::generate(&DataKey::generate(), 0, 150).expect("a key");
        let records = vec![record(100), record(200), foreign.clone()];
        let ring = KeyRing::open(records.clone(), &data_key);
        let signing = |now| ring.signing(now).and_then(|key| key.header.kid.clone());
        assert_eq!(signing(50).as_ref(), Some(&records[0].kid));
        assert_eq!(signing(199).as_ref(), Some(&records[0].kid));
        assert_eq!(signing(200).as_ref(), Some(&records[1].kid));
        assert!(ring.get(&foreign.kid).is_none() && ring.get(&records[1].kid).is_some());
        let kids: Vec<_> = ring.published().keys.into_iter().filter_map(|jwk| jwk.common.key_id).collect();
        assert_eq!(kids, [records[0].kid.clone(), records[1].kid.clone()]);
        assert!(KeyRing::default().signing(0).is_none());
    }
}
