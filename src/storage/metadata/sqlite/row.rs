//! Columns read as the values that they must be. What does not parse is damage, and says in which column.

use std::fmt::Display;
use std::str::FromStr;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::storage::StorageError;

/// A text column, parsed.
pub(super) fn parsed<T>(row: &SqliteRow, column: &str) -> Result<T, StorageError>
where
    T: FromStr<Err: Display>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error| damaged(column, &error))
}

/// A number that is never negative.
pub(super) fn unsigned(row: &SqliteRow, column: &str) -> Result<u64, StorageError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|error| damaged(column, &error))
}

/// A length, as the database stores it.
pub(super) fn stored(length: u64) -> Result<i64, StorageError> {
    i64::try_from(length).map_err(|_| StorageError::Damaged(format!("a length of {length} bytes cannot be right")))
}

/// A list for a statement's `json_each`.
pub(super) fn list<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<serde_json::Value>().to_string()
}

fn damaged(column: &str, error: &dyn Display) -> StorageError {
    StorageError::Damaged(format!("a row of the metadata database, column '{column}': {error}"))
}
