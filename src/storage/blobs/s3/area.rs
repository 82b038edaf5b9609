//! What has been received of an upload session, as it is kept in the session's row: names of objects, and what is too small to be one.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::UploadId;
use crate::storage::StorageError;
use crate::storage::blobs::{Staged, StagingArea, StagingState};

/// Up to this many bytes stay in the database until they are published.
pub(super) const SMALL: usize = 64 * 1024;

/// A content so far: first the parts of the multipart upload, then the tails, then the small rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Area {
    /// The object that the whole is going to be, unless it is all in one tail.
    pub(super) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) multipart: Option<Multipart>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tails: Vec<Tail>,
    /// Whether it is what a list of the bucket had: then nothing more than that is known, and [`Area::key`] may be a blob.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) listed: bool,
    /// Kept behind the rest, as bytes.
    #[serde(skip)]
    pub(super) small: Vec<u8>,
}

/// A multipart upload of [`Area::key`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Multipart {
    pub(super) id: String,
    /// The length of each part. It stays, even if the setting is changed: some object stores want equal parts.
    pub(super) part_size: u64,
    /// What the object store calls them.
    pub(super) parts: Vec<String>,
    /// Whether the last part is among them, which may be shorter: then nothing can be appended.
    #[serde(default)]
    pub(super) whole: bool,
}

/// An object with bytes that do not fill a part yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tail {
    pub(super) name: String,
    pub(super) length: u64,
}

impl Area {
    /// Nothing received yet.
    pub(super) fn new(upload: UploadId) -> Self {
        Self { key: content_name(upload), multipart: None, tails: Vec::new(), listed: false, small: Vec::new() }
    }

    /// How many bytes are in tails.
    pub(super) fn in_tails(&self) -> u64 {
        self.tails.iter().map(|tail| tail.length).sum()
    }

    /// The tail that is the whole content already, and named like one.
    pub(super) fn only_tail(&self) -> Option<&Tail> {
        match self.tails.as_slice() {
            [tail] if self.multipart.is_none() && self.small.is_empty() && is_content(&tail.name) => Some(tail),
            _ => None,
        }
    }

    /// The next tail's name: the first may turn out to be the whole content.
    pub(super) fn next_tail(&self, upload: UploadId) -> String {
        if self.multipart.is_none() && self.tails.is_empty() { content_name(upload) } else { tail_name(upload) }
    }

    /// For the database.
    pub(super) fn state(&self) -> Result<StagingState, StorageError> {
        let mut state = serde_json::to_vec(self).map_err(|error| damaged(&error))?;
        state.push(b'\n');
        state.extend_from_slice(&self.small);
        Ok(StagingState(state))
    }
}

/// Begins with the session, so that what is left of one can be told, and is never used twice.
fn content_name(upload: UploadId) -> String {
    format!("u/{upload}-{}", random())
}

fn tail_name(upload: UploadId) -> String {
    format!("t/{upload}-{}", random())
}

fn random() -> String {
    format!("{:016x}", Uuid::new_v4().as_u64_pair().0)
}

/// Whether it is the name of a content.
pub(super) fn is_content(name: &str) -> bool {
    name.strip_prefix("u/").is_some_and(|rest| upload_of(rest).is_some())
}

/// The session in a name without its first letter.
pub(super) fn upload_of(rest: &str) -> Option<UploadId> {
    let (upload, random) = rest.split_at_checked(36)?;
    let random = random.strip_prefix('-')?;
    (random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(())?;
    upload.parse().ok()
}

/// What has been received, where that is anything.
pub(super) fn area_of(staging: &StagingArea) -> Result<Option<Area>, StorageError> {
    let Some(StagingState(state)) = &staging.backend else { return Ok(None) };
    let end = state.iter().position(|byte| *byte == b'\n');
    let (head, small) = state.split_at(end.ok_or_else(|| damaged(&"no end"))?);
    let area: Area = serde_json::from_slice(head).map_err(|error| damaged(&error))?;
    Ok(Some(Area { small: small[1..].to_vec(), ..area }))
}

/// The same of a session's content, which must have one if it has bytes.
pub(super) fn area_of_content(staged: &Staged) -> Result<Area, StorageError> {
    match area_of(&staged.area)? {
        Some(area) => Ok(area),
        None if staged.length == 0 => Ok(Area::new(staged.area.upload)),
        None => Err(damaged(&"it is missing")),
    }
}

fn damaged(error: &impl ToString) -> StorageError {
    let why = error.to_string();
    StorageError::Damaged(format!("the state of an upload ({why}): cancel the upload and start it again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_from_the_database() {
        let upload = UploadId::generate();
        let mut area = Area::new(upload);
        let back = |area: &Area| {
            let staging = StagingArea { upload, backend: Some(area.state().expect("written")) };
            area_of(&staging).expect("read").expect("there")
        };
        assert_eq!(back(&area), area);
        area.small = b"rest\n of it\n".to_vec();
        assert_eq!(back(&area), area);
        area.tails = vec![Tail { name: area.next_tail(upload), length: 7 }];
        assert!(area.only_tail().is_none(), "there is more behind it");
        area.small.clear();
        assert_eq!(area.only_tail(), Some(&area.tails[0]));
        let parts = vec!["\"0123\"".to_owned()];
        area.multipart = Some(Multipart { id: "x\"y".to_owned(), part_size: 5, parts, whole: false });
        assert_eq!(back(&area), area);
        assert!(area.only_tail().is_none() && area.next_tail(upload).starts_with("t/"));
    }

    #[test]
    fn names_tell_their_session_and_nothing_else_is_one() {
        let upload = UploadId::generate();
        let area = Area::new(upload);
        assert_eq!(upload_of(&area.key[2..]), Some(upload));
        assert!(is_content(&area.key));
        for other in ["u/x", "t/y", "../etc/passwd", "u/../../etc/passwd-0000000000000000", ""] {
            assert!(!is_content(other), "{other}");
        }
    }
}
