//! What can be said of a database without changing it.

use super::SchemaStatus;

/// A look at a database that was neither created nor migrated for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inspection {
    /// Its schema, and what this program would do to it.
    pub(crate) schema: SchemaStatus,
    /// What the database itself finds wrong; empty where it is whole.
    pub(crate) faults: Vec<String>,
}
