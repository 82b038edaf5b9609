//! Copies the rows, and compares what arrived with what was sent.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::table::Rows;
use super::{Cell, Column, TABLES, Tables};
use crate::storage::StorageError;

/// Rows go into one statement up to so many values, and so many bytes.
const MOST_VALUES: usize = 8_000;
const MOST_BYTES: usize = 1 << 20;
/// Where contents of blobs are, which is another place in another blob store.
const KEYS: (&str, &str) = ("blobs", "key");
/// Gives blobs the keys under which their contents have arrived.
const TAKE_NEW_KEYS: &str = "UPDATE blobs SET key = (SELECT m.key FROM moved_blobs m WHERE m.digest = blobs.digest)";
const WITHOUT_CONTENT: &str = "SELECT digest FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM moved_blobs m WHERE m.digest = b.digest) ORDER BY digest LIMIT 1";

/// A table on both sides: as many rows, and the same in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
    /// SHA-256 of all that the rows hold, in the order of their keys.
    pub(crate) digest: String,
}

/// The number of rows, and the digest of all that they hold.
#[derive(Clone, Default)]
struct Sum {
    rows: u64,
    hasher: Sha256,
}

impl Sum {
    /// Takes in a row; cells of `skipped` columns are not compared.
    fn add(&mut self, row: &[Cell], skipped: Option<usize>) {
        self.rows += 1;
        let compared = row.iter().enumerate().filter(|(index, _)| Some(*index) != skipped);
        compared.for_each(|(_, cell)| cell.hash(&mut self.hasher));
    }

    fn finish(self) -> (u64, String) {
        (self.rows, HEXLOWER.encode(&self.hasher.finalize()))
    }
}

/// Copies every table that is taken along from a snapshot of `source` into `target`, in place of what is there, and compares both. With
/// `new_keys`, blobs get the keys under which their contents have arrived in the target's blob store. `progress` is told of the rows.
///
/// Errors: [`StorageError::Damaged`] where both differ; then nothing was changed.
pub(crate) async fn copy(
    source: &mut dyn Tables,
    target: &mut dyn Tables,
    new_keys: bool,
    progress: &(dyn Fn(&'static str, u64) + Send + Sync),
) -> Result<Vec<Compared>, StorageError> {
    source.begin_reading().await?;
    target.begin_writing().await?;
    for table in TABLES.iter().rev().filter(|table| !matches!(table.rows, Rows::Updated { .. })) {
        if !matches!(table.rows, Rows::Left) {
            target.run(format!("DELETE FROM {}", table.name), Vec::new()).await?;
        }
    }
    let mut sent = Vec::new();
    for table in TABLES {
        let (columns, order) = match &table.rows {
            Rows::Left => continue,
            Rows::Copied { key, .. } => (target.columns(table.name).await?, *key),
            Rows::Updated { but } => (columns_but(target, table.name, but).await?, ["id"].as_slice()),
        };
        let of_table = OfTable { name: table.name, columns, order, keys: new_keys };
        sent.push((of_table.send(source, target, &table.rows, progress).await?, of_table));
        if let Rows::Copied { number: Some(number), .. } = &table.rows {
            target.continue_numbers(table.name, number).await?;
        }
    }
    source.commit().await?;
    if new_keys {
        take_new_keys(target).await?;
    }
    let mut compared = Vec::new();
    for (sum, table) in sent {
        compared.push(table.compare(sum, target).await?);
    }
    target.commit().await?;
    Ok(compared)
}

async fn columns_but(tables: &mut dyn Tables, table: &str, but: &[&str]) -> Result<Vec<Column>, StorageError> {
    let mut columns = tables.columns(table).await?;
    columns.retain(|column| !but.contains(&column.name.as_str()));
    Ok(columns)
}

async fn take_new_keys(target: &mut dyn Tables) -> Result<(), StorageError> {
    let digest = [Column { name: "digest".to_owned(), kind: super::Kind::Text }];
    let missing = target.rows(WITHOUT_CONTENT.to_owned(), &digest).next().await.transpose()?;
    if let Some(missing) = missing {
        return Err(StorageError::Damaged(format!(
            "the content of a blob has not arrived: {missing:?}; run the move again"
        )));
    }
    target.run(TAKE_NEW_KEYS.to_owned(), Vec::new()).await?;
    Ok(())
}

/// A table with the columns that are copied.
struct OfTable {
    name: &'static str,
    columns: Vec<Column>,
    order: &'static [&'static str],
    /// Whether keys of blobs differ.
    keys: bool,
}

impl OfTable {
    fn select(&self) -> String {
        format!("SELECT {} FROM {} ORDER BY {}", self.names(), self.name, self.order.join(", "))
    }

    fn names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn skipped(&self) -> Option<usize> {
        (self.keys && self.name == KEYS.0)
            .then(|| self.columns.iter().position(|column| column.name == KEYS.1))
            .flatten()
    }

    async fn send(
        &self,
        source: &mut dyn Tables,
        target: &mut dyn Tables,
        kind: &Rows,
        progress: &(dyn Fn(&'static str, u64) + Send + Sync),
    ) -> Result<Sum, StorageError> {
        let (mut sum, mut batch, mut bytes) = (Sum::default(), Vec::new(), 0);
        let mut rows = source.rows(self.select(), &self.columns);
        while let Some(row) = rows.next().await {
            let row = row?;
            sum.add(&row, self.skipped());
            bytes += row.iter().map(Cell::size).sum::<usize>();
            batch.extend(row);
            if batch.len() + self.columns.len() > MOST_VALUES || bytes > MOST_BYTES {
                self.write(target, kind, std::mem::take(&mut batch)).await?;
                bytes = 0;
                progress(self.name, sum.rows);
            }
        }
        self.write(target, kind, batch).await?;
        progress(self.name, sum.rows);
        Ok(sum)
    }

    async fn write(&self, target: &mut dyn Tables, kind: &Rows, cells: Vec<Cell>) -> Result<(), StorageError> {
        if cells.is_empty() {
            return Ok(());
        }
        let sql = if matches!(kind, Rows::Updated { .. }) {
            let set = self.columns.iter().enumerate().map(|(at, column)| format!("{} = ${}", column.name, at + 1));
            format!("UPDATE {} SET {} WHERE id = 1", self.name, set.collect::<Vec<_>>().join(", "))
        } else {
            format!("INSERT INTO {} ({}) VALUES {}", self.name, self.names(), places(cells.len(), self.columns.len()))
        };
        target.run(sql, cells).await?;
        Ok(())
    }

    async fn compare(&self, sent: Sum, target: &mut dyn Tables) -> Result<Compared, StorageError> {
        let mut arrived = Sum::default();
        let mut rows = target.rows(self.select(), &self.columns);
        while let Some(row) = rows.next().await {
            arrived.add(&row?, self.skipped());
        }
        let (sent, arrived) = (sent.finish(), arrived.finish());
        if sent != arrived {
            return Err(StorageError::Damaged(format!(
                "the table {} has {} rows with the digest {} in the source, but {} with {} in the target",
                self.name, sent.0, sent.1, arrived.0, arrived.1
            )));
        }
        Ok(Compared { table: self.name, rows: sent.0, digest: sent.1 })
    }
}

/// `($1,$2),($3,$4)`
fn places(values: usize, of_row: usize) -> String {
    let mut text = String::with_capacity(values * 5);
    for value in 1..=values {
        let (first, last) = (value % of_row == 1 || of_row == 1, value % of_row == 0);
        // Writing to a String cannot fail.
        let _ = write!(text, "{}${value}{}", if first { "(" } else { "" }, if last { ")" } else { "" });
        if value < values {
            text.push(',');
        }
    }
    text
}
