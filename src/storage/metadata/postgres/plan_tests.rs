//! How `PostgreSQL` carries out each statement where the tables are large, by its own choice: which indexes it uses, as `plans.txt` has
//! them, and that it reads no large table from its beginning to its end.
//!
//! Takes most of a minute: `cargo test --lib -- --ignored plans_over_a_million_rows`. With PLANS=write it writes `plans.txt`.

use std::collections::BTreeSet;
use std::path::Path;

use super::statement_tests::{MAY_SCAN, database, plan};
use crate::storage::metadata::sql::statements;

/// What was agreed on.
const PLANS: &str = include_str!("plans.txt");

/// A million rows wherever a registry has that many. References are right, but not checked one by one.
const FILL: &str = "
SET session_replication_role = replica;
INSERT INTO repositories (id, name, created_at, generation) SELECT n, 'team/' || n || '/app', 0, 1 FROM generate_series(1, 100000) n;
INSERT INTO blobs (id, digest, size, key, lease_until, created_at)
    SELECT n, 'sha256:' || md5('b' || n) || md5('c' || n), 1, 'k' || n, 0, 0 FROM generate_series(1, 1000000) n;
INSERT INTO repository_blobs (repository_id, blob_id, repository_name)
    SELECT 1 + n % 100000, n, 'team/' || (1 + n % 100000) || '/app' FROM generate_series(1, 1000000) n;
INSERT INTO manifests (id, repository_id, digest, media_type, size, subject, artifact_type, created_at, content)
    SELECT n, 1 + n % 100000, 'sha256:' || md5('m' || n) || md5('n' || n), 'a/b', 1,
        CASE WHEN n % 10 = 0 THEN 'sha256:' || md5('m' || n / 10) || md5('n' || n / 10) END, 'c/d', 0, '{}'
    FROM generate_series(1, 1000000) n;
INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id) SELECT n, n, 1 + n % 100000 FROM generate_series(1, 1000000) n;
INSERT INTO manifest_children (repository_id, digest, manifest_id)
    SELECT 1 + n % 100000, 'sha256:' || md5('m' || n + 1) || md5('n' || n + 1), n FROM generate_series(1, 200000) n;
INSERT INTO tags (repository_id, name, manifest_id, updated_at) SELECT 1 + n % 100000, 'v' || n, n, 0 FROM generate_series(1, 1000000) n;
INSERT INTO uploads (id, repository, subject, owner, algorithm, length, hash_state, updated_at)
    SELECT md5('u' || n), 'team/' || n || '/app', 's', 'user:' || n % 10000, 'sha256', 0, '', n FROM generate_series(1, 100000) n;
INSERT INTO users (name, password_hash, admin, epoch, created_at) SELECT 'user' || n, 'x', 0, n, 0 FROM generate_series(1, 100000) n;
INSERT INTO grants (grantee, pattern, can_pull, can_push, can_delete)
    SELECT 'user:user' || n % 50000, 'team/' || n || '/**', 1, 1, 0 FROM generate_series(1, 100000) n;
INSERT INTO refresh_tokens (hash, account, epoch, created_at, expires_at)
    SELECT md5('r' || n), 'user' || n % 50000, n % 50000, n, n + 1000 FROM generate_series(1, 100000) n;
INSERT INTO unknown_logins (name_hash, failed_at, failed_in_row, last_at)
    SELECT decode(md5('l' || n), 'hex'), '[]', 1, n FROM generate_series(1, 50000) n;
SET session_replication_role = DEFAULT;
";
/// So that the planner knows.
const ANALYZE: &str = "VACUUM ANALYZE";
/// The tables that grow with a registry.
const LARGE: &[&str] = &[
    "repositories",
    "blobs",
    "repository_blobs",
    "manifests",
    "manifest_blobs",
    "manifest_children",
    "tags",
    "uploads",
    "users",
    "grants",
    "refresh_tokens",
    "unknown_logins",
];

/// The indexes that a plan names, in the order of the alphabet.
fn indexes(plan: &[String]) -> String {
    let names = plan.iter().filter_map(|step| {
        let (_, after) = step.split_once(" using ").or_else(|| step.split_once("Bitmap Index Scan on "))?;
        after.split_whitespace().next()
    });
    names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
}

fn reads_a_large_table(step: &str) -> bool {
    let scanned = step.split_once("Seq Scan on ").and_then(|(_, after)| after.split_whitespace().next());
    scanned.is_some_and(|table| LARGE.contains(&table))
}

#[tokio::test]
#[ignore = "takes most of a minute: scripts/plans"]
async fn plans_over_a_million_rows_use_indexes() {
    let mut connection = database().await;
    for sql in [FILL, ANALYZE, "SET plan_cache_mode = force_generic_plan"] {
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("executed");
    }
    let (mut found, mut scans) = (String::new(), Vec::new());
    for (name, sql) in statements() {
        let plan = plan(&mut connection, name, sql).await;
        if !MAY_SCAN.contains(&name) && plan.iter().any(|step| reads_a_large_table(step)) {
            scans.push(format!("{name}:\n{}", plan.join("\n")));
        }
        found += format!("{name}: {}\n", indexes(&plan)).replace(": \n", ":\n").as_str();
    }
    assert!(scans.is_empty(), "{}", scans.join("\n\n"));
    if std::env::var("PLANS").is_ok_and(|what| what == "write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage/metadata/postgres/plans.txt");
        std::fs::write(path, &found).expect("written");
        return;
    }
    let differ = PLANS.lines().zip(found.lines()).find(|(agreed, found)| agreed != found);
    assert_eq!(differ, None, "plans.txt, and what it is now");
    assert_eq!(PLANS.lines().count(), found.lines().count(), "PLANS=write scripts/plans");
}
