//! A file that a plan is about, and how it stands before anything is written.

use std::path::PathBuf;

/// How a file stands before anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedState {
    /// It is not there.
    Absent,
    /// It holds this very CA.
    Same,
    /// It holds the previous CA, and is replaced.
    Predecessor,
    /// It holds something else, and may be replaced.
    Other,
    /// `trust` wrote it before, and it is not to be there any more.
    Unwanted,
}

/// A file that is to hold the CA, or to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Where, on the host.
    pub path: PathBuf,
    /// How it stands.
    pub state: PlannedState,
    /// Whether it is in the operating system's store.
    pub os_store: bool,
}
