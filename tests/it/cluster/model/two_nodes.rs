//! Two nodes in one process: what each keeps in memory is its own, and the database and the bucket are shared.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::TryStreamExt;
use portcullis::auth::{Authenticator, Authorized, Caller, DataKey, Permission};
use portcullis::config::AuthSettings;
use portcullis::domain::{Actions, Clock, Grantee, RepositoryName};
use portcullis::registry::{BodyStream, Content, Registry, RegistryError, RegistrySettings};
use portcullis::storage::blobs::{BlobStore, s3};
use portcullis::storage::metadata::postgres::PostgresOptions;
use portcullis::storage::metadata::{GrantRecord, Metadata, postgres};
use uuid::Uuid;

use crate::support::postgres as database;
use crate::support::s3::Bucket;

/// One of them, and someone who may do everything there.
pub struct Node {
    pub registry: Arc<Registry>,
    caller: Caller,
}

pub struct TwoNodes {
    nodes: [Node; 2],
}

impl TwoNodes {
    pub async fn start() -> Self {
        let (url, bucket) = (database::database(), Bucket::new());
        Self { nodes: [Node::start(&url, &bucket).await, Node::start(&url, &bucket).await] }
    }

    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number % self.nodes.len()]
    }
}

impl Node {
    async fn start(url: &str, bucket: &Bucket) -> Self {
        let clock = Clock::system();
        let options = PostgresOptions::new(url, None, false).expect("an address");
        let metadata: Arc<dyn Metadata> = postgres::open(options, clock.clone()).await.expect("the database opens");
        let blobs: Arc<dyn BlobStore> = s3::open(&bucket.options(), clock.clone()).expect("the store opens");
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
