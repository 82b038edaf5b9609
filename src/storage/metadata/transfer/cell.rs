//! One value of a row, as every engine has it.

use sha2::{Digest, Sha256};
use sqlx::{ColumnIndex, Decode, Row, Type};

use crate::storage::StorageError;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage::metadata) enum Kind {
    Integer,
    Text,
    Bytes,
}

impl Kind {
    /// By the type in the schema.
    pub(in crate::storage::metadata) fn named(table: &str, column: &str, of_type: &str) -> Result<Self, StorageError> {
        match of_type.to_ascii_lowercase().as_str() {
            "integer" | "bigint" => Ok(Self::Integer),
            "text" => Ok(Self::Text),
            "blob" | "bytea" => Ok(Self::Bytes),
            other => {
                Err(StorageError::Damaged(format!("{table}.{column} has the type {other}, which is not one of ours")))
            }
        }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl Cell {
    /// How much of the memory it takes, more or less.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Integer(_) => 8,
            Self::Text(text) => 8 + text.as_ref().map_or(0, String::len),
            Self::Bytes(bytes) => 8 + bytes.as_ref().map_or(0, Vec::len),
        }
    }

    /// Takes it into a digest: what it is, how long, and its bytes, so that no two rows are the same but equal ones.
    pub(super) fn hash(&self, hasher: &mut Sha256) {
        let (kind, bytes): (u8, Option<&[u8]>) = match self {
            Self::Integer(Some(number)) => {
                hasher.update([1]);
                hasher.update(number.to_be_bytes());
                return;
            }
            Self::Integer(None) => (2, None),
            Self::Text(text) => (3, text.as_ref().map(String::as_bytes)),
            Self::Bytes(bytes) => (4, bytes.as_deref()),
        };
        hasher.update([kind, u8::from(bytes.is_some())]);
        if let Some(bytes) = bytes {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        }
    }
}

/// The value at `index` of a row.
pub(in crate::storage::metadata) fn cell<R>(row: &R, index: usize, kind: Kind) -> Result<Cell, sqlx::Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Option<Vec<u8>>: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok(match kind {
        Kind::Integer => Cell::Integer(row.try_get(index)?),
        Kind::Text => Cell::Text(row.try_get(index)?),
        Kind::Bytes => Cell::Bytes(row.try_get(index)?),
    })
}
