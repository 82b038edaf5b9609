//! Where changes to the authority and to the served certificates take effect: in the data directory itself, or for all nodes that share
//! them. A trait, because this room knows no database.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::pki::error::PkiError;

/// Changes the files of the authority and of the served certificates.
pub(crate) trait FileChanges: fmt::Debug + Send + Sync {
    /// Runs `change` on a data directory that has the files as they are now. What it has changed is in force when this returns, and
    /// nothing of it before. Where others have changed them meanwhile, it is run again on theirs.
    fn change(&self, change: &mut dyn FnMut(&Path) -> Result<(), PkiError>) -> Result<(), PkiError>;
}

/// The files of one node: they are changed where they are.
#[derive(Debug)]
pub(crate) struct InPlace(PathBuf);

impl InPlace {
    /// In this data directory.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self(data_dir.to_owned())
    }
}

impl FileChanges for InPlace {
    fn change(&self, change: &mut dyn FnMut(&Path) -> Result<(), PkiError>) -> Result<(), PkiError> {
        change(&self.0)
    }
}
