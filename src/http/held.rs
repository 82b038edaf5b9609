//! An answer that is long enough to count against the memory for requests, until it is sent.

use axum::body::Body;
use bytes::Bytes;

use super::App;
use super::error::OciError;
use crate::registry::{Owner, Reserved};

/// What is shorter is an answer like any other.
const COUNTED_FROM: usize = 64 * 1024;

struct Held {
    text: String,
    _reserved: Reserved,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// The text as a body; an error where there is no memory for it.
pub(super) fn body(text: String, app: &App, owner: Owner) -> Result<Body, OciError> {
    if text.len() < COUNTED_FROM {
        return Ok(Body::from(text));
    }
    let mut reserved = app.reserve(owner);
    reserved.grow(text.len())?;
    Ok(Body::from(Bytes::from_owner(Held { text, _reserved: reserved })))
}
