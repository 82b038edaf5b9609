//! Columns read as the values that they must be, on any database. What does not parse is damage, and says in which column.

use std::fmt::Display;
use std::str::FromStr;

use sqlx::{ColumnIndex, Decode, Row, Type};

use crate::storage::StorageError;

/// The columns of a row, by name.
pub(in crate::storage::metadata) trait Columns: Send + Sync + 'static {
    /// A text.
    fn text(&self, column: &str) -> Result<&str, StorageError>;

    /// A text that may be absent.
    fn optional_text(&self, column: &str) -> Result<Option<&str>, StorageError>;

    /// A number.
    fn integer(&self, column: &str) -> Result<i64, StorageError>;

    /// A number that may be absent.
    fn optional_integer(&self, column: &str) -> Result<Option<i64>, StorageError>;

    /// Bytes.
    fn bytes(&self, column: &str) -> Result<Vec<u8>, StorageError>;

    /// Bytes that may be absent.
    fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// A truth value, which every database stores as 0 or 1.
    fn boolean(&self, column: &str) -> Result<bool, StorageError> {
        match self.integer(column)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(damaged(column, &format!("{other} is neither 0 nor 1"))),
        }
    }

    /// A number that is never negative.
    fn unsigned<N: TryFrom<i64, Error: Display>>(&self, column: &str) -> Result<N, StorageError>
    where
        Self: Sized,
    {
        N::try_from(self.integer(column)?).map_err(|error| damaged(column, &error))
    }

    /// A text, parsed.
    fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, StorageError>
    where
        Self: Sized,
    {
        self.text(column)?.parse().map_err(|error| damaged(column, &error))
    }
}

impl<R> Columns for R
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn text(&self, column: &str) -> Result<&str, StorageError> {
        self.try_get(column).map_err(|error| damaged(column, &error))
    }

    fn optional_text(&self, column: &str) -> Result<Option<&str>, StorageError> {
        self.try_get(column).map_err(|error| damaged(column, &error))
    }

    fn integer(&self, column: &str) -> Result<i64, StorageError> {
        self.try_get(column).map_err(|error| damaged(column, &error))
    }

    fn optional_integer(&self, column: &str) -> Result<Option<i64>, StorageError> {
        self.try_get(column).map_err(|error| damaged(column, &error))
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, StorageError> {
        self.try_get(column).map_err(|error| damaged(column, &error))
    }

    fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.try_get(column).map_err(|error| damaged(column, &error))
    }
}

/// A column that does not hold what it must.
pub(super) fn damaged(column: &str, error: &dyn Display) -> StorageError {
    StorageError::Damaged(format!("a row of the metadata database, column '{column}': {error}"))
}
