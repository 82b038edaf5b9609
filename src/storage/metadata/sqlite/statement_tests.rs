//! What every statement costs `SQLite`: prepared against the schema, explained, and counted in steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row, SqlSafeStr, Sqlite, SqliteConnection};

use crate::domain::Clock;
use crate::storage::metadata::sql::statements;
use crate::storage::metadata::sqlite;

/// What may read a whole table or sort: lists that an administrator asks for, of what policy holds in memory anyway, and the rules about tags;
/// what a statement has found itself on its way up from a manifest; a move to other storage; the challenges of an order under way, the nodes
/// and the leases, a handful each; quotas, which are few; sizes, which are added up of what was asked for; and what the collector asks for
/// once a day.
const MAY_SCAN: &[&str] = &[
    "USERS",
    "GRANTS",
    "KEYS",
    "NEWEST_KEY",
    "STOP_SIGNING",
    "PENDING",
    "FORGET_EXPIRED",
    "IMMUTABLE_RULES",
    "RETENTION_RULES",
    "LEADING_TO",
    "LEADING_TO_BLOB",
    "BLOB_TOTALS",
    "RENAME_KEYS",
    "NEEDLESS",
    "FORGET_ARRIVALS",
    "ALL_LEASES",
    "ALL_NODES",
    "FORGET_NODES",
    "CLAIM_DOOMED",
    "DOOMED",
    "QUOTAS",
    "QUOTAS_ON",
    "PATTERNS",
    "NEXT_TO_COUNT",
    "CHANGE_HOLDERS",
    "HOLD_BLOB",
    "BLOBS_BY_REPOSITORY",
    "BLOBS_TOGETHER",
    "MANIFESTS_TOGETHER",
    "TAGS_TOGETHER",
    "DOOMED_BYTES",
    "BEGIN_WINDOW",
    "UNPIN",
];

async fn connect(folder: &tempfile::TempDir) -> SqliteConnection {
    let path = folder.path().join("metadata.db");
    sqlite::open(&path, Clock::system()).await.expect("opens").close().await.expect("closes");
    SqliteConnectOptions::new().filename(&path).connect().await.expect("connects")
}

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut connection = connect(&folder).await;
    for (name, sql) in statements() {
        let prepared = connection.prepare(SqlSafeStr::into_sql_str(sql)).await;
        assert!(prepared.is_ok(), "{name}: {:?}", prepared.err());
    }
}

#[tokio::test]
async fn no_statement_of_a_request_reads_a_whole_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut connection = connect(&folder).await;
    let mut costly = Vec::new();
    for (name, sql) in statements().filter(|(name, _)| !MAY_SCAN.contains(name)) {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let plan = sqlx::query(explain).fetch_all(&mut connection).await.expect("explains");
        // The list in a parameter is gone through once: on the outside, or where a set is made of it. Anywhere else, it would be
        // once for each row.
        let mut is_once = true;
        for step in plan {
            let step: String = step.get("detail");
            let bounded = is_once && step.starts_with("SCAN j ") || step.contains("SCAN CONSTANT");
            if !bounded && step.starts_with("SCAN") || step.contains("TEMP B-TREE") {
                costly.push(format!("{name}: {step}"));
            }
            is_once = step.starts_with("LIST SUBQUERY");
        }
    }
    assert!(costly.is_empty(), "{}", costly.join("\n"));
}

fn statement(name: &str) -> &'static str {
    statements().find(|(found, _)| *found == name).expect("a statement").1
}

/// How many steps the database's machine takes for a query, and how many rows it finds.
async fn steps(connection: &mut SqliteConnection, query: Query<'_, Sqlite, SqliteArguments>) -> (usize, usize) {
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    let count = move || counted.fetch_add(1, Ordering::Relaxed) < usize::MAX;
    connection.lock_handle().await.expect("locked").set_progress_handler(1, count);
    let found = query.fetch_all(connection).await.expect("asked").len();
    (steps.load(Ordering::Relaxed), found)
}

/// The same for a mount of `digest` that may look into repositories that begin with `prefix`, and finds none.
async fn steps_of_a_mount(connection: &mut SqliteConnection, digest: &str, prefix: &str) -> usize {
    let query = sqlx::query(statement("REPOSITORY")).bind(digest).bind(prefix).bind(format!("{prefix}\u{7f}"));
    let (steps, found) = steps(connection, query).await;
    assert_eq!(found, 0);
    steps
}

#[tokio::test]
async fn the_policy_of_an_account_costs_the_same_among_many_users_and_grants() {
    const MANY: &str = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
        INSERT INTO users (name, password_hash, admin, epoch, created_at) SELECT 'u' || n, 'x', 0, n + 1, 0 FROM n;
        INSERT INTO grants SELECT 'user:' || name, name || '/**', 1, 0, 0 FROM users WHERE name <> 'alice'";
    const ONE: &str = "INSERT INTO users (name, password_hash, admin, epoch, created_at) VALUES ('alice', 'x', 0, 1, 0);
        INSERT INTO grants VALUES ('user:alice', 'a', 1, 1, 0), ('anonymous', 'b', 1, 0, 0), ('authenticated', 'c', 1, 0, 0)";
    let folder = tempfile::tempdir().expect("a folder");
    let mut connection = connect(&folder).await;
    let account = || sqlx::query(statement("ACCOUNT_AND_VERSION")).bind("alice");
    let grants = || sqlx::query(statement("GRANTS_OF")).bind(r#"["anonymous","authenticated","user:alice"]"#);
    sqlx::raw_sql(ONE).execute(&mut connection).await.expect("filled");
    let alone = (steps(&mut connection, account()).await, steps(&mut connection, grants()).await);
    assert_eq!((alone.0.1, alone.1.1), (1, 3));
    sqlx::raw_sql(MANY).execute(&mut connection).await.expect("filled");
    let among_many = (steps(&mut connection, account()).await, steps(&mut connection, grants()).await);
    assert_eq!((among_many.0.1, among_many.1.1), (1, 3));
    for (many, one) in [(among_many.0.0, alone.0.0), (among_many.1.0, alone.1.0)] {
        assert!(many <= one + 16, "{many} steps instead of {one}");
    }
}

#[tokio::test]
async fn a_mount_takes_as_long_for_a_blob_of_others_as_for_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut connection = connect(&folder).await;
    sqlx::raw_sql(FILL).execute(&mut connection).await.expect("filled");
    let foreign = steps_of_a_mount(&mut connection, "7000", "mine/").await;
    let absent = steps_of_a_mount(&mut connection, "absent", "mine/").await;
    assert!(foreign.abs_diff(absent) <= 16, "{foreign} steps, {absent} for one that does not exist");
}

const ENTRIES: usize = 10_000;

/// A repository called 1 with as many blobs, and as many manifests with the subject 1, as the lists below have entries.
const FILL: &str = "INSERT INTO repositories (id, name, created_at) VALUES (1, '1', 0);
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
        INSERT INTO blobs (id, digest, size, key, lease_until, created_at) SELECT n, n, 1, n, 0, 0 FROM n;
    INSERT INTO repository_blobs SELECT 1, id, '1' FROM blobs;
    INSERT INTO manifests (repository_id, digest, media_type, size, subject, created_at, content)
        SELECT 1, id, 'a/b', 0, '1', 0, x'' FROM blobs";

/// Counted in steps of the database's machine, which are the same on every day.
#[tokio::test]
async fn a_long_list_costs_in_proportion_to_its_length() {
    const EACH: usize = 300;
    let folder = tempfile::tempdir().expect("a folder");
    let mut connection = connect(&folder).await;
    sqlx::raw_sql(FILL).execute(&mut connection).await.expect("filled");
    let list = serde_json::to_string(&(1..=ENTRIES).map(|n| n.to_string()).collect::<Vec<_>>()).expect("JSON");
    let with_lists: Vec<_> = statements().filter(|(_, sql)| sql.contains("json_each(")).collect();
    assert!(with_lists.len() >= 6, "{with_lists:?}");
    for (name, sql) in with_lists {
        let mut thousands = 0;
        let continues = move || {
            thousands += 1;
            thousands * 1000 < ENTRIES * EACH
        };
        connection.lock_handle().await.expect("locked").set_progress_handler(1000, continues);
        let of_list = sql.split("json_each($").nth(1).and_then(|rest| rest.split(')').next()).expect("a list");
        let parameters = (1..10).take_while(|number| sql.contains(&format!("${number}")));
        let query = parameters.fold(sqlx::query(sql), |query, number| {
            if number.to_string() == of_list { query.bind(list.clone()) } else { query.bind(1) }
        });
        let done = query.fetch_all(&mut connection).await;
        assert!(done.is_ok(), "{name} takes more than {EACH} steps for each entry: {:?}", done.err());
    }
}

/// Every column of every table, with its type, and a question mark where it may be absent.
pub(in crate::storage::metadata) async fn columns() -> std::collections::BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut connection = connect(&folder).await;
    // A primary key of whole numbers is the row's own number, which is never absent.
    let rows = sqlx::query(
        "SELECT t.name || '.' || c.name || ' ' || lower(c.type) || CASE WHEN c.\"notnull\" = 0 AND c.pk = 0 THEN '?' ELSE '' END
        FROM sqlite_schema t JOIN pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT IN ('_sqlx_migrations', '_sqlx_finalizations')",
    );
    rows.fetch_all(&mut connection).await.expect("read").iter().map(|row| row.get(0)).collect()
}
