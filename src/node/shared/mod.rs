//! What the nodes of one registry share through the database: the files of its certificates and keys, encrypted, and which store has its
//! blobs. With a database of its own (`SQLite`) a node shares nothing, and its data directory is where the files are.
//!
//! The database is the truth. [`SharedFiles`] reads and replaces all files as one; a change is made on a copy ([`WorkingCopy`]), takes
//! effect when the database has it, and is made again if another node was faster. [`Mirror`] keeps the data directory of a node that
//! serves the same as the database, so that nothing is served which other nodes do not know: a node that was killed finds only what the
//! database says at its next start.

mod blob_store;
mod files;
mod mirror;
mod registry_files;
mod working_copy;

use files::SharedFiles;
pub(crate) use files::{from_text as files_from_text, to_text as files_to_text};
pub(crate) use mirror::Mirror;
pub(crate) use registry_files::RegistryFiles;
pub(crate) use working_copy::WorkingCopy;
