//! Stores under test. A case of a contract is an `async fn` that takes one; the macros make a test of it for each backend, in a store of
//! its own.

use std::ops::Deref;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use portcullis::domain::{Clock, ManualClock};
use portcullis::storage::blobs::{self, BlobStore};
use portcullis::storage::metadata::postgres::PostgresOptions;
use portcullis::storage::metadata::{self, Metadata};
use tempfile::TempDir;

/// When every store under test begins, in seconds.
pub const BEGIN: i64 = 1_800_000_000;

/// A metadata store: used as the store itself, through its first handle.
pub struct MetadataSubject {
    /// Every handle judges by it.
    pub clock: ManualClock,
    first: Arc<dyn Metadata>,
    open: Opener,
    _folder: Option<TempDir>,
}

type Opener = Box<dyn Fn(Clock) -> BoxFuture<'static, Arc<dyn Metadata>> + Send + Sync>;

impl MetadataSubject {
    /// An empty `SQLite` database.
    pub async fn sqlite() -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder")).await
    }

    /// The `SQLite` database of a version before, with rows of every kind.
    pub async fn upgraded() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        super::upgrade::database_of_schema_8(folder.path()).await;
        Self::in_folder(folder).await
    }

    /// An empty `PostgreSQL` database.
    pub async fn postgres() -> Self {
        Self::on_server(crate::support::postgres::database(), false).await
    }

    /// An empty `PostgreSQL` database behind a pooler.
    pub async fn pooled() -> Self {
        let url = crate::support::postgres::database();
        Self::on_server(crate::support::pgbouncer::shared().address(&url), true).await
    }

    async fn on_server(url: String, pooler: bool) -> Self {
        let open = move |clock| -> BoxFuture<'static, Arc<dyn Metadata>> {
            let options = PostgresOptions::new(&url, None, pooler).expect("an address");
            Box::pin(async move { metadata::postgres::open(options, clock).await.expect("the database opens") })
        };
        Self::opened_by(Box::new(open), None).await
    }

    async fn in_folder(folder: TempDir) -> Self {
        let path = folder.path().join("metadata.db");
        let open = move |clock| -> BoxFuture<'static, Arc<dyn Metadata>> {
            let path = path.clone();
            Box::pin(async move { metadata::sqlite::open(&path, clock).await.expect("the database opens") })
        };
        Self::opened_by(Box::new(open), Some(folder)).await
    }

    async fn opened_by(open: Opener, folder: Option<TempDir>) -> Self {
        let clock = ManualClock::at(Timestamp::from_second(BEGIN).expect("in range"));
        Self { first: open(clock.clock()).await, clock, open, _folder: folder }
    }

    /// Another handle on the same store, as another process has it.
    pub async fn other(&self) -> Arc<dyn Metadata> {
        (self.open)(self.clock.clock()).await
    }
}

impl Deref for MetadataSubject {
    type Target = dyn Metadata;

    fn deref(&self) -> &Self::Target {
        &*self.first
    }
}

/// A blob store: used as the store itself, through its first handle.
pub struct BlobSubject {
    first: Arc<dyn BlobStore>,
    other: Arc<dyn BlobStore>,
    _folder: Option<TempDir>,
}

impl BlobSubject {
    /// An empty directory.
    pub fn disk() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::at(Timestamp::from_second(BEGIN).expect("in range"));
        let open = || blobs::disk::open(folder.path(), 0, clock.clock()).expect("the store opens");
        Self { first: open(), other: open(), _folder: Some(folder) }
    }

    /// An empty bucket.
    pub fn s3() -> Self {
        let options = crate::support::s3::Bucket::new().options();
        let open = || blobs::s3::open(&options, Clock::system()).expect("the store opens");
        Self { first: open(), other: open(), _folder: None }
    }

    /// Another handle on the same store.
    pub fn other(&self) -> &dyn BlobStore {
        &*self.other
    }
}

impl Deref for BlobSubject {
    type Target = dyn BlobStore;

    fn deref(&self) -> &Self::Target {
        &*self.first
    }
}

/// Makes a test of each case for each metadata backend: `MODULE::sqlite::CASE`.
macro_rules! metadata_contract {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(&crate::storage::subject::MetadataSubject::sqlite().await).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(&crate::storage::subject::MetadataSubject::postgres().await).await;
                }
            )+
        }

        mod pooled {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(&crate::storage::subject::MetadataSubject::pooled().await).await;
                }
            )+
        }

        mod upgraded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(&crate::storage::subject::MetadataSubject::upgraded().await).await;
                }
            )+
        }
    };
}

/// Makes a test of each case for each blob backend: `MODULE::disk::CASE`.
macro_rules! blob_contract {
    ($($case:ident),+ $(,)?) => {
        mod disk {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(&crate::storage::subject::BlobSubject::disk()).await;
                }
            )+
        }

        mod s3 {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(&crate::storage::subject::BlobSubject::s3()).await;
                }
            )+
        }
    };
}
