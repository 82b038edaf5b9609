//! A database on a server as a set of tables, for a move to other storage.

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::PostgresOptions;
use super::error::failed;
use crate::storage::StorageError;
use crate::storage::metadata::transfer::{Cell, Cells, Column, Kind, Tables, cell};

const COLUMNS: &str = "SELECT attname::text AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

struct PostgresTables(PgConnection);

/// The tables of the database, which has the schema of this version.
pub(crate) async fn tables(options: &PostgresOptions) -> Result<Box<dyn Tables>, StorageError> {
    Ok(Box::new(PostgresTables(PgConnection::connect_with(&options.once()).await.map_err(failed)?)))
}

impl PostgresTables {
    async fn plain(&mut self, sql: &'static str) -> Result<(), StorageError> {
        sqlx::raw_sql(sql).execute(&mut self.0).await.map_err(failed)?;
        Ok(())
    }
}

#[async_trait]
impl Tables for PostgresTables {
    async fn begin_reading(&mut self) -> Result<(), StorageError> {
        self.plain("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await
    }

    async fn begin_writing(&mut self) -> Result<(), StorageError> {
        self.plain("BEGIN").await
    }

    async fn commit(&mut self) -> Result<(), StorageError> {
        self.plain("COMMIT").await
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<Column>, StorageError> {
        let rows = sqlx::query(COLUMNS).persistent(false).bind(table.to_owned());
        let rows = rows.fetch_all(&mut self.0).await.map_err(failed)?;
        let column = |row: &PgRow| {
            let name: String = row.try_get("name").map_err(failed)?;
            let of_type: String = row.try_get("type").map_err(failed)?;
            Ok(Column { kind: Kind::named(table, &name, &of_type)?, name })
        };
        rows.iter().map(column).collect()
    }

    fn rows<'t>(&'t mut self, sql: String, columns: &'t [Column]) -> BoxStream<'t, Cells> {
        let rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(&mut self.0);
        let read = |row: PgRow| {
            columns
                .iter()
                .enumerate()
                .map(|(index, column)| cell(&row, index, column.kind))
                .collect::<Result<Vec<_>, _>>()
        };
        rows.map(move |row| row.and_then(read).map_err(failed)).boxed()
    }

    async fn run(&mut self, sql: String, values: Vec<Cell>) -> Result<u64, StorageError> {
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        let query = values.into_iter().fold(query, |query, value| match value {
            Cell::Integer(number) => query.bind(number),
            Cell::Text(text) => query.bind(text),
            Cell::Bytes(bytes) => query.bind(bytes),
        });
        Ok(query.execute(&mut self.0).await.map_err(failed)?.rows_affected())
    }

    async fn continue_numbers(&mut self, table: &str, column: &str) -> Result<(), StorageError> {
        let next = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), (SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)"
        );
        sqlx::query(AssertSqlSafe(next)).persistent(false).execute(&mut self.0).await.map_err(failed)?;
        Ok(())
    }

    /// The lock that is asked for excludes that of every writer, and is given back at once.
    async fn settle(&mut self, tables: &[&str]) -> Result<(), StorageError> {
        let lock = format!("BEGIN; LOCK TABLE {} IN SHARE MODE; COMMIT", tables.join(", "));
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut self.0).await.map_err(failed)?;
        Ok(())
    }

    async fn close(self: Box<Self>) -> Result<(), StorageError> {
        self.0.close().await.map_err(failed)
    }
}
