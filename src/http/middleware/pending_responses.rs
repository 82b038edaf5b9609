//! How much memory responses that wait for their client may hold per account and address: manifests and lists. A client may ask for many
//! and read none, so they are counted against a budget, for as long as any layer below holds the bytes.
//!
//! A manifest that many ask for at once is held, and counted, once. (Blobs are read as they are sent, and are not counted here.)
//! `server::response_memory` counts the same bytes over the process, for every response: `server` does not know accounts, and this
//! budget lets the large ones of many owners through up to `limits.body_memory`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;

use crate::domain::Digest;
use crate::http::error::OciError;
use crate::registry::{MemoryBudget, OutOfMemory, Owner, Reserved};

/// What is shorter is not counted: a connection costs as much.
const SMALL: u64 = 8 * 1024;

/// The answers that wait.
pub(in crate::http) struct PendingResponses {
    budget: Arc<MemoryBudget>,
    manifests: Mutex<HashMap<Digest, Weak<Held>>>,
}

/// Says of a response that its body is the manifest of this digest.
#[derive(Clone)]
pub(in crate::http) struct OfManifest(Digest);

impl OfManifest {
    /// Marks the response, where it is long enough for it to matter.
    pub(in crate::http) fn mark(response: &mut Response, digest: &Digest) {
        if response.body().size_hint().exact().is_some_and(|size| size > SMALL) {
            response.extensions_mut().insert(Self(digest.clone()));
        }
    }
}

struct Held {
    bytes: Bytes,
    _reserved: Reserved,
}

struct Taken(Arc<Held>);

impl AsRef<[u8]> for Taken {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl PendingResponses {
    /// Within this budget.
    pub(in crate::http) fn new(budget: Arc<MemoryBudget>) -> Self {
        Self { budget, manifests: Mutex::default() }
    }

    /// The same answer, counted; or the one that says that there are too many.
    pub(in crate::http) async fn hold(&self, response: Response, owner: impl FnOnce() -> Owner) -> Response {
        if response.body().size_hint().exact().is_none_or(|size| size <= SMALL) {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        let digest = parts.extensions.remove::<OfManifest>().map(|of| of.0);
        // In memory already, since its size is known: nothing is waited for.
        let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
            return OciError::panicked().into_response();
        };
        match self.held(digest, bytes, owner()) {
            Ok(held) => Response::from_parts(parts, Body::from(Bytes::from_owner(Taken(held)))),
            Err(error) => OciError::from(error).into_response(),
        }
    }

    fn held(&self, digest: Option<Digest>, bytes: Bytes, owner: Owner) -> Result<Arc<Held>, OutOfMemory> {
        let mut manifests = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = digest.as_ref().and_then(|digest| manifests.get(digest)).and_then(Weak::upgrade) {
            return Ok(held);
        }
        let mut reserved = self.budget.open(owner);
        reserved.grow(bytes.len())?;
        let held = Arc::new(Held { bytes, _reserved: reserved });
        if let Some(digest) = digest {
            // As many as there is room for in the budget.
            manifests.retain(|_, held| held.strong_count() > 0);
            manifests.insert(digest, Arc::downgrade(&held));
        }
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::domain::{Algorithm, Hasher};

    fn owner() -> Owner {
        Owner::Account("alice".parse().expect("a name"))
    }

    fn answer(byte: u8, manifest: bool) -> Response {
        let content = vec![byte; 10_000];
        let digest = Hasher::digest(Algorithm::Sha256, &content);
        let mut response = Body::from(content).into_response();
        if manifest {
            OfManifest::mark(&mut response, &digest);
        }
        response
    }

    #[tokio::test]
    async fn what_waits_is_counted_until_its_last_byte_is_let_go() {
        let pending = PendingResponses::new(MemoryBudget::new(100_000, 1));
        let first = pending.hold(answer(1, false), owner).await;
        let second = pending.hold(answer(2, false), owner).await;
        assert_eq!(pending.hold(answer(3, false), owner).await.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(pending.hold("small".into_response(), owner).await.status(), StatusCode::OK);
        let bytes = first.into_body().collect().await.expect("bytes").to_bytes();
        let last = bytes.slice(9_999..);
        drop(bytes);
        assert_eq!(pending.hold(answer(3, false), owner).await.status(), StatusCode::TOO_MANY_REQUESTS);
        drop(last);
        assert_eq!(pending.hold(answer(3, false), owner).await.status(), StatusCode::OK);
        drop(second);
    }

    #[tokio::test]
    async fn one_manifest_is_held_once_however_many_wait_for_it() {
        let pending = PendingResponses::new(MemoryBudget::new(100_000, 1));
        let mut held = Vec::new();
        for _ in 0..100 {
            held.push(pending.hold(answer(1, true), owner).await);
        }
        assert!(held.iter().all(|response| response.status() == StatusCode::OK));
        held.push(pending.hold(answer(2, true), owner).await);
        assert_eq!(pending.hold(answer(3, true), owner).await.status(), StatusCode::TOO_MANY_REQUESTS);
        drop(held);
        assert_eq!(pending.hold(answer(3, true), owner).await.status(), StatusCode::OK);
        assert_eq!(pending.manifests.lock().expect("not poisoned").len(), 1, "what is gone is forgotten");
    }
}
