//! What the clients of the model push: few contents and images, so that steps meet each other.

use bytes::Bytes;
use portcullis::domain::{Algorithm, Digest, Hasher};

pub const CONTENTS: usize = 12;
pub const IMAGES: usize = 15;

/// Content number `number`: from a byte to some kilobytes.
pub fn content(number: usize) -> Vec<u8> {
    let line = format!("content {number}\n");
    line.as_bytes().iter().copied().cycle().take(1 + number * number * 37).collect()
}

pub fn digest(bytes: &[u8]) -> Digest {
    Hasher::digest(Algorithm::Sha256, bytes)
}

/// The contents that image `number` refers to.
pub fn parts(number: usize) -> [usize; 2] {
    [number % CONTENTS, (number * 5 + 1) % CONTENTS]
}

/// The image that image `number` is attached to: every third one is, to the one before.
pub fn subject(number: usize) -> Option<usize> {
    (number % 3 == 2).then(|| number - 1)
}

pub fn manifest(number: usize) -> Bytes {
    let describe = |part: usize| {
        let bytes = content(part);
        serde_json::json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": digest(&bytes).to_string(),
            "size": bytes.len(),
        })
    };
    let [config, layer] = parts(number).map(describe);
    let mut manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer],
        "annotations": { "number": number.to_string() },
    });
    if let Some(subject) = subject(number) {
        let bytes = self::manifest(subject);
        manifest["subject"] = serde_json::json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(&bytes).to_string(),
            "size": bytes.len(),
        });
    }
    manifest.to_string().into()
}
