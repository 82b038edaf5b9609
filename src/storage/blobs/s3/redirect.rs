//! Addresses of contents that clients fetch from the object store themselves: signed for a few minutes, at the endpoint that they reach.

use std::net::IpAddr;
use std::time::Duration;

use http::{Method, Uri};
use object_store::aws::AmazonS3;
use object_store::signer::{SignedUrlOptions, Signer};

use super::bucket::path;
use super::connect::connect;
use super::error::failed;
use super::options::{Audience, S3Options, S3Redirect};
use crate::domain::Clock;
use crate::storage::StorageError;

/// How long an address works: long enough to begin a download.
const VALID: Duration = Duration::from_mins(5);

/// Who gets addresses, and what signs them.
pub(super) struct Redirects {
    audience: Audience,
    signer: AmazonS3,
    prefix: String,
}

impl Redirects {
    pub(super) fn new(options: &S3Options, redirect: &S3Redirect, clock: &Clock) -> Result<Self, StorageError> {
        Ok(Self {
            audience: redirect.audience.clone(),
            signer: connect(options, Some(&redirect.endpoint), clock)?,
            prefix: options.prefix.clone(),
        })
    }

    /// Whether the client at this address gets one.
    pub(super) fn include(&self, client: Option<IpAddr>) -> bool {
        self.audience.includes(client)
    }

    /// The address of a content. What it is served as is part of the signature, so that no browser takes it for a page.
    pub(super) async fn address(&self, name: &str) -> Result<Uri, StorageError> {
        let path = path(&self.prefix, name);
        let options = SignedUrlOptions::new().with_query([
            ("response-content-type", "application/octet-stream"),
            ("response-content-disposition", "attachment"),
        ]);
        let signed = self.signer.signed_url_opts(Method::GET, &path, VALID, &options).await;
        let signed = signed.map_err(|error| failed(format!("signing the address of {path}"), error))?;
        signed.as_str().parse().map_err(|error| StorageError::Damaged(format!("the address of {path}: {error}")))
    }
}
