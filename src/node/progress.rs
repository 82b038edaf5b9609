//! How far a long command is, for someone who watches.

/// Told by the one who works, shown by the command line.
pub(crate) trait Progress: Send + Sync {
    /// What is done now, and how many bytes it is about, where that is known.
    fn begin(&self, what: &str, bytes: Option<u64>);

    /// So many more bytes.
    fn advance(&self, bytes: u64);

    /// So many rows of a table.
    fn rows(&self, table: &str, rows: u64);
}
