//! Small images to push, and the whole of a push.

use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Actor;

pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image of a configuration and one layer.
pub struct Image {
    pub config: Vec<u8>,
    pub layer: Vec<u8>,
    pub manifest: Vec<u8>,
}

impl Image {
    /// An image whose bytes depend on `seed` alone.
    pub fn of(seed: &str) -> Self {
        Self::with_layer(seed, format!("the layer of {seed}").into_bytes())
    }

    /// An image with this layer.
    pub fn with_layer(seed: &str, layer: Vec<u8>) -> Self {
        let config = json!({"architecture": "amd64", "os": "linux", "author": seed}).to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(&layer), "size": layer.len(),
            }],
        });
        Self { config, layer, manifest: manifest.to_string().into_bytes() }
    }

    /// The manifest's digest.
    pub fn digest(&self) -> String {
        digest(&self.manifest)
    }

    /// Pushes blobs and manifest; every step must succeed.
    pub async fn push(&self, who: &Actor, repository: &str, tag: &str) {
        push_blob(who, repository, &self.config).await;
        push_blob(who, repository, &self.layer).await;
        let response = self.put_manifest(who, repository, tag).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.unwrap_or_default());
    }

    /// The same up to the first step that is refused; returns the status of the last one.
    pub async fn try_push(&self, who: &Actor, repository: &str, tag: &str) -> StatusCode {
        for content in [&self.config, &self.layer] {
            if let Err(refused) = try_push_blob(who, repository, content).await {
                return refused.status();
            }
        }
        self.put_manifest(who, repository, tag).await.status()
    }

    /// The last step of a push alone.
    pub async fn put_manifest(&self, who: &Actor, repository: &str, tag: &str) -> Response {
        let path = format!("/v2/{repository}/manifests/{tag}");
        who.put(&path, MANIFEST_TYPE, self.manifest.clone()).await
    }
}

/// Pushes one blob by POST and PUT; returns its digest.
pub async fn push_blob(who: &Actor, repository: &str, content: &[u8]) -> String {
    match try_push_blob(who, repository, content).await {
        Ok(digest) => digest,
        Err(refused) => panic!("{}: {}", refused.status(), refused.text().await.unwrap_or_default()),
    }
}

/// The same; an answer that refuses a step is the error.
async fn try_push_blob(who: &Actor, repository: &str, content: &[u8]) -> Result<String, Response> {
    let opened = who.post(&format!("/v2/{repository}/blobs/uploads/")).await;
    if opened.status() != StatusCode::ACCEPTED {
        return Err(opened);
    }
    let location = opened.headers()["location"].to_str().expect("text").to_owned();
    let digest = digest(content);
    let put = who.bare(Method::PUT, &location).query(&[("digest", &digest)]).body(content.to_vec());
    let response = who.send(put).await;
    if response.status() == StatusCode::CREATED { Ok(digest) } else { Err(response) }
}

/// `sha256:...` of bytes.
pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
