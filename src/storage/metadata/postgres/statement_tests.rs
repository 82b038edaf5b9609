//! What every statement costs `PostgreSQL`: prepared against the schema, and explained.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{PostgresOptions, open};
use crate::domain::Clock;
use crate::storage::metadata::sql::statements;

#[path = "../../../../tests/it/support/postgres.rs"]
#[expect(unreachable_pub, reason = "the stories have it too, in a crate of their own")]
pub(in crate::storage::metadata) mod server;

/// What may read a whole table or sort: lists that an administrator asks for, of what policy holds in memory anyway; a move to other storage;
/// and the challenges of an order under way, the nodes and the leases, a handful each; quotas, which are few, and
/// sizes, which are added up of what was asked for.
pub(super) const MAY_SCAN: &[&str] = &[
    "USERS",
    "GRANTS",
    "KEYS",
    "NEWEST_KEY",
    "STOP_SIGNING",
    "PENDING",
    "FORGET_EXPIRED",
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
/// What sorts the few rows that it has found: the refresh tokens of one account, the tags of one push; and what the collector asks for.
const MAY_SORT: &[&str] = &["REMOVE_OLDEST", "TARGETS", "PARENTS", "USERS_IN_REPOSITORY", "USERS_OF_BLOB", "CLAIM"];

pub(super) async fn database() -> PgConnection {
    let url = server::database();
    let options = PostgresOptions::new(&url, None, false).expect("an address");
    open(options, Clock::system()).await.expect("opens").close().await.expect("closes");
    server::connect(&url).await
}

/// The lines of the plan that serves whatever values are bound, where reading whole tables is avoided if that is possible at all.
pub(super) async fn plan(connection: &mut PgConnection, name: &str, sql: &str) -> Vec<String> {
    let prepared = sqlx::raw_sql(AssertSqlSafe(format!("PREPARE s AS {sql}"))).execute(&mut *connection).await;
    assert!(prepared.is_ok(), "{name}: {:?}", prepared.err());
    let values = (1..=20).filter(|number| sql.contains(&format!("${number}"))).map(|_| "NULL").collect::<Vec<_>>();
    let values = if values.is_empty() { String::new() } else { format!("({})", values.join(",")) };
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE s{values}");
    let plan = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *connection).await.expect("explains");
    sqlx::raw_sql("DEALLOCATE s").execute(connection).await.expect("forgotten");
    plan.iter().map(|line| line.get::<String, _>(0)).collect()
}

#[tokio::test]
async fn no_statement_of_a_request_reads_a_whole_table() {
    let mut connection = database().await;
    let settings = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off";
    sqlx::raw_sql(settings).execute(&mut connection).await.expect("set");
    let mut costly = Vec::new();
    for (name, sql) in statements() {
        let may_scan = MAY_SCAN.contains(&name);
        let may_sort = may_scan || MAY_SORT.contains(&name);
        let plan = plan(&mut connection, name, sql).await;
        if plan.iter().any(|step| step.contains("Seq Scan") && !may_scan || step.contains("Sort") && !may_sort) {
            costly.push(format!("{name}:\n{}", plan.join("\n")));
        }
    }
    assert!(costly.is_empty(), "{}", costly.join("\n\n"));
}

#[tokio::test]
async fn the_tables_have_the_columns_that_they_have_in_sqlite() {
    let mut connection = database().await;
    let rows = sqlx::query(
        "SELECT table_name || '.' || column_name || ' ' || CASE data_type WHEN 'bytea' THEN 'blob' WHEN 'bigint' THEN 'integer' ELSE data_type END
            || CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name NOT IN ('_sqlx_migrations', '_sqlx_finalizations', 'migration_lock')",
    );
    let ours: BTreeSet<String> =
        rows.fetch_all(&mut connection).await.expect("read").iter().map(|row| row.get(0)).collect();
    assert_eq!(ours, crate::storage::metadata::sqlite::statement_tests::columns().await);
    let uncollated = sqlx::query(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C' AND table_name NOT IN ('_sqlx_migrations', '_sqlx_finalizations')",
    );
    let uncollated = uncollated.fetch_all(&mut connection).await.expect("read");
    assert!(uncollated.is_empty(), "pages continue byte by byte: {:?}", uncollated[0].get::<String, _>(0));
}
