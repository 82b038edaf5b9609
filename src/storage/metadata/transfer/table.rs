//! Every table, and whether a registry takes it along. A test compares this list with the schema: no table is forgotten.

/// A table.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) rows: Rows,
}

/// What becomes of its rows.
pub(super) enum Rows {
    /// They are copied; this is the key that they are ordered by, and the number that the database gives to new ones.
    Copied { key: &'static [&'static str], number: Option<&'static str> },
    /// There is one, which is updated but for these columns: they are about the database itself.
    Updated { but: &'static [&'static str] },
    /// They stay.
    Left,
}

const fn copied_by(name: &'static str, key: &'static [&'static str]) -> Table {
    Table { name, rows: Rows::Copied { key, number: None } }
}

const fn numbered(name: &'static str) -> Table {
    Table { name, rows: Rows::Copied { key: &["id"], number: Some("id") } }
}

const fn left(name: &'static str) -> Table {
    Table { name, rows: Rows::Left }
}

/// Those that others refer to come first.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "meta",
        rows: Rows::Updated { but: &["id", "min_schema", "min_version", "move_phase", "move_peer"] },
    },
    numbered("repositories"),
    numbered("blobs"),
    copied_by("repository_blobs", &["repository_id", "blob_id"]),
    numbered("manifests"),
    copied_by("manifest_blobs", &["manifest_id", "blob_id"]),
    copied_by("manifest_children", &["repository_id", "digest", "manifest_id"]),
    copied_by("tags", &["repository_id", "name"]),
    numbered("quotas"),
    copied_by("quota_contents", &["quota_id", "digest"]),
    copied_by("quota_shares", &["quota_id", "share"]),
    numbered("trash"),
    numbered("tag_history"),
    copied_by("holds", &["repository", "tag"]),
    numbered("purges"),
    copied_by("collection_queue", &["kind", "repository_id", "digest"]),
    copied_by("tag_pulls", &["repository_id", "name"]),
    copied_by("manifest_pulls", &["manifest_id"]),
    numbered("immutable_rules"),
    numbered("retention_rules"),
    copied_by("collection_guard", &["id"]),
    copied_by("users", &["name"]),
    copied_by("grants", &["grantee", "pattern"]),
    copied_by("token_keys", &["kid"]),
    copied_by("refresh_tokens", &["hash"]),
    numbered("unknown_logins"),
    copied_by("known_sources", &["name_hash", "network"]),
    copied_by("acme_accounts", &["directory"]),
    // About the processes that work on this database.
    left("leases"),
    left("nodes"),
    // The first node that is started there publishes what its data directory has.
    left("shared_state"),
    // Of the last minutes.
    left("address_failures"),
    // Orders under way begin again.
    left("acme_challenges"),
    // What was received of a blob is in the blob store of the source; clients begin these uploads again.
    left("uploads"),
    left("upload_locks"),
    // Contents in the blob store of the source, and what was freed there.
    left("doomed_contents"),
    left("collection_totals"),
    // What happened on the source; pulls are recorded from the first start there on.
    left("retention_runs"),
    left("pull_recording"),
    // About processes that copy from this database.
    left("backup_pins"),
    // About the move itself.
    left("moved_blobs"),
];

/// The tables whose rows are copied.
pub(crate) fn copied() -> impl Iterator<Item = &'static str> {
    TABLES.iter().filter(|table| !matches!(table.rows, Rows::Left)).map(|table| table.name)
}
