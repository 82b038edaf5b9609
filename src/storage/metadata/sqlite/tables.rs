//! A file as a set of tables, for a move to other storage.

use std::path::Path;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};

use super::error::failed;
use super::open::connect_to;
use crate::storage::StorageError;
use crate::storage::metadata::transfer::{Cell, Cells, Column, Kind, Tables, cell};

/// Copies the database at `path`, as it is at this moment, into the file `target`, which is new or empty, while others work on it.
pub(crate) async fn snapshot(path: &Path, target: &Path) -> Result<(), StorageError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut reader = options.connect().await.map_err(failed)?;
    let text = target.to_string_lossy().into_owned();
    sqlx::query("VACUUM INTO $1").bind(text).execute(&mut reader).await.map_err(failed)?;
    reader.close().await.map_err(failed)
}

struct SqliteTables(SqliteConnection);

/// The tables of the database at `path`, which has the schema of this version.
pub(crate) async fn tables(path: &Path) -> Result<Box<dyn Tables>, StorageError> {
    Ok(Box::new(SqliteTables(connect_to(path).await?.1)))
}

impl SqliteTables {
    async fn plain(&mut self, sql: &'static str) -> Result<(), StorageError> {
        sqlx::raw_sql(sql).execute(&mut self.0).await.map_err(failed)?;
        Ok(())
    }
}

#[async_trait]
impl Tables for SqliteTables {
    /// The first statement that reads fixes the state that is seen.
    async fn begin_reading(&mut self) -> Result<(), StorageError> {
        self.plain("BEGIN; SELECT count(*) FROM meta").await
    }

    async fn begin_writing(&mut self) -> Result<(), StorageError> {
        self.plain("BEGIN IMMEDIATE").await
    }

    async fn commit(&mut self) -> Result<(), StorageError> {
        self.plain("COMMIT").await
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<Column>, StorageError> {
        let rows = sqlx::query("SELECT name, type FROM pragma_table_info($1) ORDER BY cid").bind(table.to_owned());
        let rows = rows.fetch_all(&mut self.0).await.map_err(failed)?;
        let column = |row: &sqlx::sqlite::SqliteRow| {
            let name: String = row.try_get("name").map_err(failed)?;
            let of_type: String = row.try_get("type").map_err(failed)?;
            Ok(Column { kind: Kind::named(table, &name, &of_type)?, name })
        };
        rows.iter().map(column).collect()
    }

    fn rows<'t>(&'t mut self, sql: String, columns: &'t [Column]) -> BoxStream<'t, Cells> {
        let rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(&mut self.0);
        let read = |row: sqlx::sqlite::SqliteRow| {
            columns
                .iter()
                .enumerate()
                .map(|(index, column)| cell(&row, index, column.kind))
                .collect::<Result<Vec<_>, _>>()
        };
        rows.map(move |row| row.and_then(read).map_err(failed)).boxed()
    }

    async fn run(&mut self, sql: String, values: Vec<Cell>) -> Result<u64, StorageError> {
        let query = values.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| match value {
            Cell::Integer(number) => query.bind(number),
            Cell::Text(text) => query.bind(text),
            Cell::Bytes(bytes) => query.bind(bytes),
        });
        Ok(query.execute(&mut self.0).await.map_err(failed)?.rows_affected())
    }

    /// They do by themselves.
    async fn continue_numbers(&mut self, _: &str, _: &str) -> Result<(), StorageError> {
        Ok(())
    }

    /// There is one writer at a time, and each sees what was committed before.
    async fn settle(&mut self, _: &[&str]) -> Result<(), StorageError> {
        Ok(())
    }

    async fn close(self: Box<Self>) -> Result<(), StorageError> {
        self.0.close().await.map_err(failed)
    }
}
