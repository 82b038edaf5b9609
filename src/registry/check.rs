//! Checks while the registry serves: blobs whose content is lost or has another length, and contents that no blob has. Rows and contents
//! are listed in the same order and compared page by page, so that memory does not grow with the registry. What differs is checked once
//! more by itself: what is being pushed or removed at that moment is not a fault.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use super::{Registry, RegistryError};
use crate::storage::blobs::{BlobKey, StoredContent};
use crate::storage::metadata::{BlobRecord, StoredBlob};

/// Rows that are read from the database at a time.
const PAGE: u32 = 1000;
/// Faults that are named; all are counted.
const NAMED: usize = 1000;
/// Seconds after which what belongs to no upload session any more is not being published either.
const SETTLED: u64 = 3600;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A blob has no content.
    Missing,
    /// A content has another length than its blob.
    WrongSize,
    /// A content is not what its digest says.
    Damaged,
    /// A manifest is not what its digest says.
    Manifest,
    /// A content belongs to no blob.
    Unreferenced,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Missing, Self::WrongSize, Self::Damaged, Self::Manifest, Self::Unreferenced];

    /// As programs know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::WrongSize => "wrong_size",
            Self::Damaged => "damaged",
            Self::Manifest => "manifest",
            Self::Unreferenced => "unreferenced",
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The digest of the blob, or the key of the content that belongs to none.
    pub name: String,
    /// What is known of it.
    pub detail: String,
}

/// What a check has found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Blobs that were compared with their contents, and their bytes.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Contents that were read back.
    pub read: u64,
    /// Their bytes.
    pub read_bytes: u64,
    /// How many faults of each kind.
    pub counts: BTreeMap<FaultKind, u64>,
    /// The first of them.
    pub faults: Vec<Fault>,
    /// Faults that this run has dealt with, as far as it can be done without a push.
    pub repaired: u64,
    /// Faults that the process that serves was asked to look at.
    pub left_to_server: u64,
}

impl CheckReport {
    /// How many faults there are altogether.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Whether every blob has its content: then database and blobs belong together.
    pub fn is_consistent(&self) -> bool {
        self.count(FaultKind::Missing) + self.count(FaultKind::WrongSize) == 0
    }

    /// How many of this kind.
    pub fn count(&self, kind: FaultKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// Adds a fault.
    pub(crate) fn add(&mut self, kind: FaultKind, name: &impl ToString, detail: String) {
        *self.counts.entry(kind).or_default() += 1;
        if self.faults.len() < NAMED {
            self.faults.push(Fault { kind, name: name.to_string(), detail });
        }
    }
}

/// What a check may change.
#[derive(Clone, Copy, Debug)]
pub struct CheckMode {
    /// Whether faults are repaired.
    pub repair: bool,
    /// Whether this process may put damaged contents aside: no other one publishes under the same keys.
    pub owns_contents: bool,
}

/// The next entries of both lists.
#[derive(Default)]
struct Lists {
    rows: VecDeque<StoredBlob>,
    last_row: Option<BlobKey>,
    rows_end: bool,
    contents: VecDeque<StoredContent>,
    last_content: Option<BlobKey>,
    contents_end: bool,
}

/// What differs, of some pages.
#[derive(Default)]
struct Suspects {
    rows: Vec<BlobRecord>,
    contents: Vec<StoredContent>,
}

impl Registry {
    /// Compares all blobs with all contents.
    pub async fn check_contents(&self, mode: CheckMode, report: &mut CheckReport) -> Result<(), RegistryError> {
        let (mut lists, mut suspects) = (Lists::default(), Suspects::default());
        loop {
            self.fill(&mut lists).await?;
            let order = match (lists.rows.front(), lists.contents.front()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(row), Some(content)) => row.blob.key.0.cmp(&content.key.0),
            };
            let row = if order == Ordering::Greater { None } else { lists.rows.pop_front() };
            let content = if order == Ordering::Less { None } else { lists.contents.pop_front() };
            match (row, content) {
                (Some(row), content) => {
                    report.blobs += 1;
                    report.bytes += row.blob.size;
                    if row.damaged {
                        self.look_at_damaged(row.blob, mode, report).await?;
                    } else if content.is_none_or(|content| content.size != row.blob.size) {
                        suspects.rows.push(row.blob);
                    }
                }
                (None, Some(content)) => suspects.contents.push(content),
                (None, None) => {}
            }
            if suspects.rows.len() + suspects.contents.len() >= PAGE as usize {
                self.look_closer(std::mem::take(&mut suspects), mode, report).await?;
            }
        }
        self.look_closer(suspects, mode, report).await
    }

    async fn fill(&self, lists: &mut Lists) -> Result<(), RegistryError> {
        // Contents first: what is pushed between the two lists has a row without a content, and is checked once more.
        if lists.contents.is_empty() && !lists.contents_end {
            lists.contents = self.blobs.contents(lists.last_content.as_ref()).await?.into();
            lists.contents_end = lists.contents.is_empty();
            lists.last_content = lists.contents.back().map(|content| content.key.clone());
        }
        if lists.rows.is_empty() && !lists.rows_end {
            lists.rows = self.metadata.blobs_by_key(lists.last_row.as_ref(), PAGE).await?.into();
            lists.rows_end = lists.rows.is_empty();
            lists.last_row = lists.rows.back().map(|row| row.blob.key.clone());
        }
        Ok(())
    }

    async fn look_closer(
        &self,
        suspects: Suspects,
        mode: CheckMode,
        report: &mut CheckReport,
    ) -> Result<(), RegistryError> {
        for blob in suspects.rows {
            if self.metadata.stored_blob(&blob.digest).await?.as_ref() != Some(&blob) {
                continue;
            }
            let (kind, detail) = match self.blobs.length(&blob.key).await? {
                Some(length) if length == blob.size => continue,
                Some(length) => (FaultKind::WrongSize, format!("{length} bytes instead of {}", blob.size)),
                None => (FaultKind::Missing, format!("no content of {} bytes", blob.size)),
            };
            report.add(kind, &blob.digest, detail);
            if mode.repair {
                self.repair(&blob, mode, report).await?;
            }
        }
        self.look_at_unreferenced(suspects.contents, mode, report).await
    }

    async fn look_at_unreferenced(
        &self,
        contents: Vec<StoredContent>,
        mode: CheckMode,
        report: &mut CheckReport,
    ) -> Result<(), RegistryError> {
        let age = self.settings.storage.upload_expiry.as_secs().saturating_add(SETTLED);
        let before = self.clock.seconds().saturating_sub_unsigned(age);
        let old: Vec<StoredContent> = contents.into_iter().filter(|content| content.modified_at < before).collect();
        if old.is_empty() {
            return Ok(());
        }
        let known = self.metadata.known_contents(old.iter().map(|content| content.key.clone()).collect()).await?;
        let mut doomed = Vec::new();
        for content in old.into_iter().filter(|content| !known.contains(&content.key)) {
            if self.blobs.length(&content.key).await?.is_some() {
                report.add(FaultKind::Unreferenced, &content.key.0, format!("{} bytes", content.size));
                doomed.push((content.key, content.size));
            }
        }
        if mode.repair && !doomed.is_empty() {
            report.repaired += doomed.len() as u64;
            self.metadata.doom_contents(doomed).await?;
        }
        Ok(())
    }

    /// A blob that was found to be damaged before: its content may have been brought back by hand.
    async fn look_at_damaged(
        &self,
        blob: BlobRecord,
        mode: CheckMode,
        report: &mut CheckReport,
    ) -> Result<(), RegistryError> {
        let is_sound = mode.repair
            && self.blobs.length(&blob.key).await? == Some(blob.size)
            && self.read_back(&blob, None, &|_| ()).await?.is_none()
            && self.metadata.mark_sound(&blob.digest, &blob.key).await?;
        if !is_sound {
            report.add(
                FaultKind::Damaged,
                &blob.digest,
                "its content is lost or in quarantine: push it again".to_owned(),
            );
        }
        Ok(())
    }

    /// Hides a blob whose content is damaged or lost, so that clients push it again; or leaves that to the process that serves.
    pub(super) async fn repair(
        &self,
        blob: &BlobRecord,
        mode: CheckMode,
        report: &mut CheckReport,
    ) -> Result<(), RegistryError> {
        if mode.owns_contents {
            report.repaired += u64::from(self.condemn(blob).await?);
        } else {
            self.metadata.suspect(vec![blob.digest.clone()]).await?;
            report.left_to_server += 1;
        }
        Ok(())
    }
}
