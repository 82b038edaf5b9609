//! The files of certificates and keys in the database: one encrypted value, replaced as a whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::WorkingCopy;
use crate::auth::DataKey;
use crate::pki::{KeptFiles, PkiError};
use crate::storage::metadata::Metadata;

/// How often a change is made again because others were faster.
const TRIES: u32 = 8;

/// The shared files, and the key that opens them.
#[derive(Clone)]
pub(crate) struct SharedFiles {
    metadata: Arc<dyn Metadata>,
    data_key: DataKey,
}

/// The files at one version.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) version: i64,
    pub(crate) files: KeptFiles,
}

impl SharedFiles {
    pub(crate) fn new(metadata: Arc<dyn Metadata>, data_key: DataKey) -> Self {
        Self { metadata, data_key }
    }

    /// The version of the files in the database; 0 before the first start.
    pub(crate) async fn version(&self) -> Result<i64, PkiError> {
        self.metadata.files_version().await.map_err(|error| sharing(&error))
    }

    /// The name of the database.
    pub(crate) async fn instance(&self) -> Result<String, PkiError> {
        self.metadata.instance().await.map_err(|error| sharing(&error))
    }

    /// The files in the database; `None` before the first start.
    pub(crate) async fn read(&self) -> Result<Option<Snapshot>, PkiError> {
        let Some(found) = self.metadata.sealed_files().await.map_err(|error| sharing(&error))? else { return Ok(None) };
        let text = self.data_key.decrypt_files(&found.sealed).map_err(|error| sharing(&error))?;
        let files = from_text(&text).ok_or_else(|| sharing(&"what the database has of them is damaged"))?;
        Ok(Some(Snapshot { version: found.version, files }))
    }

    /// Runs `change` on a copy of the files, within `data_dir`, and replaces them in the database by what it has made of them; again, if
    /// another process has replaced them meanwhile. Where the database has none, it begins with `first`.
    pub(crate) async fn change<T, E: From<PkiError>>(
        &self,
        data_dir: &Path,
        first: Option<&KeptFiles>,
        mut change: impl FnMut(&Path) -> Result<T, E>,
    ) -> Result<(T, Snapshot), E> {
        for _ in 0..TRIES {
            let before = match (self.read().await?, first) {
                (Some(snapshot), _) => snapshot,
                (None, Some(first)) => Snapshot { version: 0, files: first.clone() },
                (None, None) => return Err(sharing(&"the database has none; run `portcullis init` first").into()),
            };
            let copy = WorkingCopy::make(data_dir, &before.files)?;
            let outcome = change(copy.path())?;
            let files = copy.files()?;
            if before.version > 0 && files == before.files {
                return Ok((outcome, before));
            }
            if self.replace(&files, before.version).await? {
                return Ok((outcome, Snapshot { version: before.version + 1, files }));
            }
        }
        Err(sharing(&"others changed them at the same moment, again and again; try again").into())
    }

    async fn replace(&self, files: &KeptFiles, version: i64) -> Result<bool, PkiError> {
        let sealed = self.data_key.encrypt_files(to_text(files).as_bytes()).map_err(|error| sharing(&error))?;
        self.metadata.replace_files(sealed, version).await.map_err(|error| sharing(&error))
    }
}

impl std::fmt::Debug for SharedFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedFiles")
    }
}

/// What went wrong with what nodes share.
pub(super) fn sharing(reason: &impl ToString) -> PkiError {
    PkiError::Sharing { reason: reason.to_string() }
}

/// A JSON object of base64 by name.
pub(crate) fn to_text(files: &KeptFiles) -> Zeroizing<String> {
    let texts: BTreeMap<&str, String> =
        files.contents().iter().map(|(name, content)| (name.as_str(), STANDARD.encode(content.as_slice()))).collect();
    Zeroizing::new(serde_json::json!(texts).to_string())
}

/// The files in such a text.
pub(crate) fn from_text(text: &[u8]) -> Option<KeptFiles> {
    let texts: BTreeMap<String, String> = serde_json::from_slice(text).ok()?;
    let decode = |(name, text): (String, String)| {
        Some((name, Zeroizing::new(STANDARD.decode(Zeroizing::new(text).as_str()).ok()?)))
    };
    KeptFiles::new(texts.into_iter().map(decode).collect::<Option<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_as_they_were() {
        let contents = [("ca/root.key", &b"\0\xff"[..]), ("tls/leaf.pem", b"")];
        let contents = contents.map(|(name, content)| (name.to_owned(), content.to_vec().into()));
        let files = KeptFiles::new(contents.into()).expect("names that are kept");
        assert_eq!(from_text(to_text(&files).as_bytes()), Some(files));
        for wrong in ["", "[]", r#"{"ca/root.pem":1}"#, r#"{"ca/root.pem":"!"}"#, r#"{"../x":""}"#] {
            assert_eq!(from_text(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
