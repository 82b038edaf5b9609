//! Where backups are: `s3://BUCKET/PREFIX`, reached as `[blobs.s3]` says, or a directory.

use std::path::{Path, absolute};
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::real;
use crate::config::{BlobStoreKind, Config};
use crate::domain::Clock;
use crate::node::bucket::bucket_options;
use crate::storage::archive::{Archive, open_directory};
use crate::storage::blobs::s3;

/// Opens the place; with `create`, to write to it.
pub(super) fn open(config: &Config, place: &str, create: bool) -> anyhow::Result<Arc<dyn Archive>> {
    if let Some(address) = place.strip_prefix("s3://") {
        return in_bucket(config, address);
    }
    if place.contains("://") {
        bail!("{place} is neither a directory nor s3://BUCKET/PREFIX");
    }
    let path = absolute(Path::new(place)).with_context(|| format!("cannot use {place}"))?;
    if real(&path).starts_with(real(&config.data_dir)) {
        bail!("{place} is in the data directory {}: choose another disk", config.data_dir.display());
    }
    if !create && !path.is_dir() {
        bail!("{place} is not a directory with backups");
    }
    Ok(open_directory(&path, create)?)
}

fn in_bucket(config: &Config, address: &str) -> anyhow::Result<Arc<dyn Archive>> {
    let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
    let prefix = prefix.trim_end_matches('/');
    if bucket.is_empty() || prefix.split('/').any(|part| part == "." || part == "..") {
        bail!("s3://{address} is not s3://BUCKET/PREFIX");
    }
    let mut settings = config.blobs_s3.clone();
    let own = (settings.bucket.as_deref(), settings.prefix.as_deref().unwrap_or_default());
    if config.blobs.store == BlobStoreKind::S3 && own == (Some(bucket), prefix) {
        bail!(
            "s3://{address} is where the registry keeps its blobs: choose another bucket, or at least another prefix"
        );
    }
    (settings.bucket, settings.prefix) = (Some(bucket.to_owned()), Some(prefix.to_owned()));
    Ok(s3::open_archive(&bucket_options(&settings)?, Clock::system())?)
}
