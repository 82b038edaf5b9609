//! Two nodes in one process: what each keeps in memory is its own, and the database and the blobs are shared.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::TryStreamExt;
use portcullis::auth::{Authenticator, Authorized, Caller, DataKey, Permission};
use portcullis::config::AuthSettings;
use portcullis::domain::{Actions, Clock, Grantee, RepositoryName};
use portcullis::registry::{BodyStream, Content, Registry, RegistryError, RegistrySettings};
use portcullis::storage::blobs::{BlobStore, disk};
use portcullis::storage::metadata::postgres::PostgresOptions;
use portcullis::storage::metadata::{GrantRecord, Metadata, postgres};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support;

/// One of them, and someone who may do everything there.
pub struct Node {
    pub registry: Arc<Registry>,
    caller: Caller,
}

pub struct TwoNodes {
    nodes: [Node; 2],
    _folder: TempDir,
}

impl TwoNodes {
    pub async fn start() -> Self {
        let (url, folder) = (support::postgres::database(), tempfile::tempdir().expect("a folder"));
        let nodes = [Node::start(&url, &folder).await, Node::start(&url, &folder).await];
        Self { nodes, _folder: folder }
    }

    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number % self.nodes.len()]
    }
}

impl Node {
    async fn start(url: &str, folder: &TempDir) -> Self {
        let clock = Clock::system();
        let options = PostgresOptions::new(url, None, false).expect("an address");
        let metadata: Arc<dyn Metadata> = postgres::open(options, clock.clone()).await.expect("the database opens");
        let blobs: Arc<dyn BlobStore> = disk::open(folder.path(), 0, clock.clone()).expect("the store opens");
        let everything =
            GrantRecord { to: Grantee::Anonymous, on: "**".parse().expect("a pattern"), allow: Actions::ALL };
        metadata.add_grant(everything).await.expect("granted");
        let key = DataKey::new([7; DataKey::LENGTH]);
        let auth = Authenticator::open(Arc::clone(&metadata), AuthSettings::default(), key, clock.clone());
        let verified = auth.await.expect("it opens").anonymous().await.expect("everyone may ask");
        let caller = Caller::new(verified, IpAddr::from([192, 0, 2, 1]), Uuid::nil());
        Self { registry: Arc::new(Registry::new(metadata, blobs, RegistrySettings::default(), clock)), caller }
    }

    pub fn permit<P: Permission>(&self, repository: &RepositoryName) -> Authorized<P> {
        self.caller.authorize(repository).expect("everything is granted")
    }
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
