//! Values that are bound to a statement's `$1`, `$2`, ...: the four kinds that every database knows.

use std::fmt::Display;
use std::time::Duration;

use crate::domain::{AccountName, Digest, RepositoryName, Tag, UploadId};
use crate::storage::StorageError;

/// One bound value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::storage::metadata) enum Value {
    /// BIGINT. Truth values are stored as 0 and 1 ([`super::row::Columns::boolean`] reads them).
    Integer(i64),
    /// TEXT, compared byte by byte.
    Text(Option<String>),
    /// BLOB or BYTEA.
    Bytes(Option<Vec<u8>>),
}

/// The values of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::storage::metadata::sql::value::Value::from($value)),*]
    };
}

pub(super) use values;

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.to_owned()))
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Bytes(value)
    }
}

impl From<&RepositoryName> for Value {
    fn from(value: &RepositoryName) -> Self {
        value.as_str().into()
    }
}

impl From<&AccountName> for Value {
    fn from(value: &AccountName) -> Self {
        value.as_str().into()
    }
}

impl From<&Tag> for Value {
    fn from(value: &Tag) -> Self {
        value.as_str().into()
    }
}

impl From<&Digest> for Value {
    fn from(value: &Digest) -> Self {
        value.to_string().into()
    }
}

impl From<UploadId> for Value {
    fn from(value: UploadId) -> Self {
        value.to_string().into()
    }
}

/// A length, as the database stores it.
pub(super) fn stored(length: u64) -> Result<i64, StorageError> {
    i64::try_from(length).map_err(|_| StorageError::Damaged(format!("a length of {length} bytes cannot be right")))
}

/// A list for a statement's `json_each`.
pub(super) fn list<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<serde_json::Value>().to_string()
}

/// Where a page of names begins that continues after `name`: no name has a NUL, nor has a text of every database, and what follows one
/// does not matter for the order.
pub(super) fn start(name: Option<&str>) -> &str {
    name.unwrap_or_default().split('\0').next().unwrap_or_default()
}

/// The time at which what begins `now` and lasts for `length` is over.
pub(super) fn after(now: i64, length: Duration) -> i64 {
    now.saturating_add(i64::try_from(length.as_secs()).unwrap_or(i64::MAX))
}
