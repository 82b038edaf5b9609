//! The backups in a place.

use super::BackupManifest;
use super::destination;
use super::manifest::BACKUPS;
use crate::config::Config;

/// A backup, or what an interrupted one has left.
pub(crate) enum Listed {
    Whole(Box<BackupManifest>),
    Interrupted(String),
    /// It cannot be used, for this reason.
    Unusable(String, String),
}

/// All of them, oldest first.
pub(crate) async fn list(config: &Config, place: &str) -> anyhow::Result<Vec<Listed>> {
    let archive = destination::open(config, place, false)?;
    let mut listed = Vec::new();
    for id in archive.folders(BACKUPS).await? {
        listed.push(match BackupManifest::read(&*archive, &id).await {
            Ok(Some(manifest)) => Listed::Whole(Box::new(manifest)),
            Ok(None) => Listed::Interrupted(id),
            Err(error) => Listed::Unusable(id, format!("{error:#}")),
        });
    }
    Ok(listed)
}
