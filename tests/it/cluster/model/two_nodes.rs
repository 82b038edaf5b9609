//! Two nodes in one process: what each keeps in memory is its own, and the database and the bucket are shared.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use portcullis::auth::{Authenticator, Authorized, Caller, DataKey, Permission};
use portcullis::config::{AuthSettings, TrashSettings};
use portcullis::domain::{Actions, Clock, Grantee, RepositoryName};
use portcullis::registry::{BodyStream, Content, Registry, RegistryError, RegistrySettings};
use portcullis::storage::blobs::{BlobStore, disk, s3};
use portcullis::storage::metadata::postgres::PostgresOptions;
use portcullis::storage::metadata::{GrantRecord, Metadata, postgres, sqlite};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::postgres as database;
use crate::support::s3::Bucket;

/// One of them, and someone who may do everything there.
pub struct Node {
    registry: Mutex<Arc<Registry>>,
    stores: (Arc<dyn Metadata>, Arc<dyn BlobStore>),
    /// Whether another process may have the stores as well, so that this one can begin again while requests are under way.
    is_shared: bool,
    caller: Caller,
    pub clock: Clock,
}

pub struct TwoNodes {
    nodes: Vec<Node>,
    clock: Mutex<Clock>,
    _folder: Option<TempDir>,
}

impl TwoNodes {
    pub async fn start() -> Self {
        let (url, bucket, clock) = (database::database(), Bucket::new(), Clock::system());
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let options = PostgresOptions::new(&url, None, false).expect("an address");
            let metadata = postgres::open(options, clock.clone()).await.expect("the database opens");
            let blobs = s3::open(&bucket.options(), clock.clone()).expect("the store opens");
            nodes.push(Node::start((metadata, blobs), true, clock.clone()).await);
        }
        Self { nodes, clock: Mutex::new(clock), _folder: None }
    }

    pub async fn on_a_disk() -> Self {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), Clock::system());
        let metadata = sqlite::open(&folder.path().join("metadata.db"), clock.clone()).await.expect("opens");
        let blobs = disk::open(folder.path(), 0, clock.clone()).expect("opens");
        let node = Node::start((metadata, blobs), false, clock.clone()).await;
        Self { nodes: vec![node], clock: Mutex::new(clock), _folder: Some(folder) }
    }

    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number % self.nodes.len()]
    }

    /// For all nodes, so much time passes.
    pub fn wait(&self, time: Duration) {
        let clock = self.clock.lock().expect("not poisoned");
        let now = Instant::now();
        clock.follow(clock.now() + time, now, now);
    }
}

impl Node {
    async fn start(stores: (Arc<dyn Metadata>, Arc<dyn BlobStore>), is_shared: bool, clock: Clock) -> Self {
        let metadata = &stores.0;
        let everything =
            GrantRecord { to: Grantee::Anonymous, on: "**".parse().expect("a pattern"), allow: Actions::ALL };
        metadata.add_grant(everything).await.expect("granted");
        let key = DataKey::new([7; DataKey::LENGTH]);
        let auth = Authenticator::open(Arc::clone(metadata), AuthSettings::default(), key, clock.clone());
        let verified = auth.await.expect("it opens").anonymous().await.expect("everyone may ask");
        let caller = Caller::new(verified, IpAddr::from([192, 0, 2, 1]), Uuid::nil());
        let registry = Mutex::new(registry(&stores, &clock));
        Self { registry, stores, is_shared, caller, clock }
    }

    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.lock().expect("not poisoned"))
    }

    /// What it knows in memory is lost.
    pub fn restart(&self) {
        if self.is_shared {
            *self.registry.lock().expect("not poisoned") = registry(&self.stores, &self.clock);
        }
    }

    pub fn permit<P: Permission>(&self, repository: &RepositoryName) -> Authorized<P> {
        self.caller.authorize(repository).expect("everything is granted")
    }
}

/// Nothing waits in the trash.
fn registry((metadata, blobs): &(Arc<dyn Metadata>, Arc<dyn BlobStore>), clock: &Clock) -> Arc<Registry> {
    let trash = TrashSettings { keep: Duration::ZERO, ..TrashSettings::default() };
    let settings = RegistrySettings { trash, ..RegistrySettings::default() };
    Arc::new(Registry::new(Arc::clone(metadata), Arc::clone(blobs), settings, clock.clone()))
}

/// The body of a request.
pub fn body(content: &[u8]) -> BodyStream {
    Box::pin(futures_util::stream::iter([Ok(content.to_vec().into())]))
}

/// All bytes of an answer.
pub async fn bytes(content: Content) -> Result<Vec<u8>, RegistryError> {
    match content {
        Content::Whole(bytes) => Ok(bytes.to_vec()),
        Content::Stream(stream) => Ok(stream.try_collect::<Vec<_>>().await?.concat()),
        Content::Redirect(to) => panic!("no redirect is configured, but the client is sent to {to}"),
    }
}
