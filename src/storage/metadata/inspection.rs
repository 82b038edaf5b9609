//! What can be said of a database without changing it.

/// A look at a database that was neither created nor migrated for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inspection {
    /// The schema that the database has, by the number of its last migration; `None` where it has none.
    pub(crate) schema: Option<i64>,
    /// The newest schema that this program knows.
    pub(crate) known: i64,
    /// What the database itself finds wrong; empty where it is whole.
    pub(crate) faults: Vec<String>,
}
