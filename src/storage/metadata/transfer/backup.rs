//! What backups need of a database besides its rows: all blobs in one stream, and what a restored registry has of its own.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::{Cell, Column, Kind, Tables};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;
use crate::storage::metadata::{BlobRecord, StoredBlob};

const BLOBS: &str = "SELECT digest, size, key, damaged FROM blobs ORDER BY digest";
const TOTALS: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM blobs WHERE damaged = 0";
const INSTANCE: &str = "SELECT instance FROM meta WHERE id = 1";
const SET_INSTANCE: &str = "UPDATE meta SET instance = $1 WHERE id = 1";
/// What only the key of the data directory opens.
const SEALED: [&str; 2] = ["DELETE FROM token_keys", "DELETE FROM acme_accounts"];

/// By its place in the row.
fn column(kind: Kind) -> Column {
    Column { name: String::new(), kind }
}

/// The columns of [`blobs`].
pub(crate) fn blob_columns() -> [Column; 4] {
    [Kind::Text, Kind::Integer, Kind::Text, Kind::Integer].map(column)
}

/// Every blob, in the order of digests. Within a transaction.
pub(crate) fn blobs<'t>(
    tables: &'t mut dyn Tables,
    columns: &'t [Column; 4],
) -> BoxStream<'t, Result<StoredBlob, StorageError>> {
    let read = |row: Vec<Cell>| {
        let damaged = |what: &str| StorageError::Damaged(format!("the row of a blob has {what}"));
        let [Cell::Text(Some(digest)), Cell::Integer(Some(size)), Cell::Text(Some(key)), Cell::Integer(flag)] =
            row.as_slice()
        else {
            return Err(damaged("no digest, size or key"));
        };
        let digest = digest.parse().map_err(|_| damaged("a digest that is none"))?;
        let size = u64::try_from(*size).map_err(|_| damaged("a size below 0"))?;
        let blob = BlobRecord { digest, size, key: BlobKey(key.clone()) };
        Ok(StoredBlob { blob, damaged: *flag == Some(1) })
    };
    tables.rows(BLOBS.to_owned(), columns).map(move |row| row.and_then(read)).boxed()
}

/// How many sound blobs there are, and their bytes. Within a transaction.
pub(crate) async fn blob_totals(tables: &mut dyn Tables) -> Result<(u64, u64), StorageError> {
    let columns = [column(Kind::Integer), column(Kind::Integer)];
    let row = tables.rows(TOTALS.to_owned(), &columns).next().await.transpose()?;
    match row.as_deref() {
        Some([Cell::Integer(Some(count)), Cell::Integer(Some(bytes))]) => {
            Ok((count.unsigned_abs(), bytes.unsigned_abs()))
        }
        _ => Err(StorageError::Damaged("the blobs cannot be counted".to_owned())),
    }
}

/// The name that was drawn for the database. Within a transaction.
pub(crate) async fn instance(tables: &mut dyn Tables) -> Result<String, StorageError> {
    let columns = [column(Kind::Text)];
    let row = tables.rows(INSTANCE.to_owned(), &columns).next().await.transpose()?;
    match row.as_deref() {
        Some([Cell::Text(Some(instance))]) => Ok(instance.clone()),
        _ => Err(StorageError::Damaged("the database has no name".to_owned())),
    }
}

/// Gives the database another name: it is not the registry whose rows it has. Without `keys`, it loses the secrets that were sealed with them.
pub(crate) async fn become_another(tables: &mut dyn Tables, instance: &str, keys: bool) -> Result<(), StorageError> {
    tables.begin_writing().await?;
    tables.run(SET_INSTANCE.to_owned(), vec![Cell::Text(Some(instance.to_owned()))]).await?;
    for statement in SEALED.iter().filter(|_| !keys) {
        tables.run((*statement).to_owned(), Vec::new()).await?;
    }
    tables.commit().await
}
