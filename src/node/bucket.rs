//! The bucket that blobs are kept in: what the settings say of it, and whether it can be used.

use std::fs;
use std::future::Future;
use std::path::PathBuf;

use super::stores::read_secret;
use crate::config::{BlobStoreKind, Config, RedirectRule, S3Settings};
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::blobs::s3::{self, Audience, S3Credentials, S3Options, S3Redirect, Tried};

/// Refuses a bucket that cannot be used, in words. One that does not answer may be back soon: until then manifests are served.
pub(super) async fn require_usable_bucket(config: &Config, clock: &Clock) -> anyhow::Result<()> {
    if config.blobs.store != BlobStoreKind::S3 {
        return Ok(());
    }
    match s3::probe(&bucket_options(&config.blobs_s3)?, clock).await? {
        Some(unusable) if unusable.is_passing => {
            tracing::warn!("{}: blobs are answered 503 until then; {}", unusable.what, unusable.fix);
            Ok(())
        }
        Some(unusable) => anyhow::bail!("{}: {}", unusable.what, unusable.fix),
        None => Ok(()),
    }
}

/// Tries everything that is needed of the bucket; `None` if blobs are kept on the disk.
pub(crate) fn try_bucket(config: &Config) -> Option<impl Future<Output = Result<Tried, StorageError>>> {
    let settings = (config.blobs.store == BlobStoreKind::S3).then(|| config.blobs_s3.clone())?;
    Some(async move { s3::try_bucket(&bucket_options(&settings)?, &Clock::system()).await })
}

/// What the settings say, with the files that they name.
pub(super) fn bucket_options(settings: &S3Settings) -> Result<S3Options, StorageError> {
    let audience = match &settings.redirect {
        RedirectRule::Never => None,
        RedirectRule::Always => Some(Audience::Everyone),
        RedirectRule::Networks(networks) => Some(Audience::Networks(networks.clone())),
    };
    let public = settings.public_endpoint.as_ref().map(ToString::to_string);
    let credentials = match (&settings.access_key_file, &settings.secret_key_file) {
        (Some(id), Some(secret)) => Some(S3Credentials {
            id: read_secret("blobs.s3.access_key_file", id)?.to_string(),
            secret: read_secret("blobs.s3.secret_key_file", secret)?,
        }),
        _ => None,
    };
    let read_authorities = |path: &PathBuf| {
        fs::read(path).map_err(|error| StorageError::io(format!("reading blobs.s3.ca, {}", path.display()), error))
    };
    Ok(S3Options {
        endpoint: settings.endpoint.as_ref().map(ToString::to_string),
        bucket: settings.bucket.clone().unwrap_or_default(),
        prefix: settings.prefix.clone().unwrap_or_default(),
        region: settings.region.clone(),
        path_style: settings.path_style,
        authorities: settings.ca.as_ref().map(read_authorities).transpose()?,
        credentials,
        part_size: settings.part_size.bytes(),
        upload_memory: settings.upload_memory.bytes(),
        redirect: audience.zip(public).map(|(audience, endpoint)| S3Redirect { endpoint, audience }),
    })
}
