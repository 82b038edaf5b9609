//! What the rules of a migration promise, with steps that no version has: on a file and on a server.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, SqlSafeStr, SqliteConnection};

use super::{Schema, Steps, expand, finalize};
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::metadata::postgres::statement_tests::server;
use crate::storage::metadata::postgres::{self, PostgresOptions, PostgresSchema};
use crate::storage::metadata::sqlite::{self, DatabaseCopies, SqliteSchema};

/// The steps of this version and these, which come later.
fn with(of_this_version: &Steps, expanding: &[(i64, &'static str)], contracting: &[(i64, &'static str)]) -> Steps {
    let join = |steps: &Migrator, more: &[(i64, &'static str)]| {
        let more = more.iter().map(|(version, sql)| {
            Migration::new(*version, "of a test".into(), MigrationType::Simple, (*sql).into_sql_str(), false)
        });
        Migrator::with_migrations(steps.iter().cloned().chain(more).collect())
    };
    Steps::new(join(&of_this_version.expand, expanding), join(&of_this_version.contract, contracting))
}

const NEXT: &[(i64, &str)] = &[(9001, "CREATE TABLE next (a BIGINT)"), (9002, "ALTER TABLE next ADD COLUMN b BIGINT")];
const BROKEN: &[(i64, &str)] =
    &[(9001, "CREATE TABLE next (a BIGINT)"), (9002, "ALTER TABLE absent ADD COLUMN b BIGINT")];
const CONTRACTING: &[(i64, &str)] = &[(9001, "ALTER TABLE next DROP COLUMN a")];

/// A database of this version goes through the next one: interrupted, continued, used by both, finalized.
async fn goes_through_the_next_version(database: &mut impl Schema, ours: &Steps) {
    let clock = Clock::system();
    let (next, broken) = (with(ours, NEXT, CONTRACTING), with(ours, BROKEN, CONTRACTING));
    assert!(expand(database, ours, &clock).await.expect("made").len() > 9);
    assert!(expand(database, ours, &clock).await.expect("made before").is_empty());

    let error = expand(database, &broken, &clock).await.expect_err("a step that fails");
    assert!(matches!(error, StorageError::Failed { .. }), "{error}");
    let status = database.applied().await.expect("read").status(&next);
    assert_eq!(status.pending, ["9002 of a test"], "the step before it is done");

    assert_eq!(expand(database, &next, &clock).await.expect("continued"), ["9002 of a test"]);
    assert!(expand(database, ours, &clock).await.expect("the version before works with it").is_empty());
    let status = database.applied().await.expect("read").status(ours);
    assert_eq!((status.unknown.as_slice(), status.refuses()), ([9001, 9002].as_slice(), false));

    assert_eq!(finalize(database, &next, &clock).await.expect("finalized"), ["9001 of a test"]);
    assert!(finalize(database, &next, &clock).await.expect("finalized before").is_empty());
    assert!(expand(database, &next, &clock).await.expect("opens").is_empty());
    let error = expand(database, ours, &clock).await.expect_err("too old").to_string();
    assert!(error.contains("needs version") && error.contains("schema 9001"), "{error}");

    let other = with(ours, &[(9001, "CREATE TABLE next (c BIGINT)")], &[]);
    let error = expand(database, &other, &clock).await.expect_err("other steps made it").to_string();
    assert!(error.contains("9001"), "{error}");
}

async fn file(folder: &tempfile::TempDir) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.path().join("metadata.db")).create_if_missing(true);
    options.connect().await.expect("connects")
}

fn copies(folder: &tempfile::TempDir) -> Vec<i64> {
    let copies = DatabaseCopies::of(&folder.path().join("metadata.db")).list().expect("read");
    copies.iter().map(|copy| copy.schema).collect()
}

#[tokio::test]
async fn a_file_goes_through_the_next_version_and_is_copied_aside_at_each_upgrade() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut connection = file(&folder).await;
    let path = folder.path().join("metadata.db");
    let mut schema = SqliteSchema::new(&path, &mut connection, Clock::system());
    goes_through_the_next_version(&mut schema, &sqlite::STEPS).await;
    let known = sqlite::STEPS.known();
    assert_eq!(copies(&folder), [known], "before the first step, and not of a new database");
}

/// As a node connects that brings the schema up to date.
async fn connect(url: &str) -> PgConnection {
    let options = PostgresOptions::new(url, None, false).expect("an address");
    options.once().connect().await.expect("connects")
}

#[tokio::test]
async fn a_server_goes_through_the_next_version() {
    let mut connection = connect(&server::database()).await;
    goes_through_the_next_version(&mut PostgresSchema(&mut connection), &postgres::STEPS).await;
}

#[tokio::test]
async fn copies_are_removed_after_a_week_and_what_is_in_them_is_the_state_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, mut connection) = (folder.path().join("metadata.db"), file(&folder).await);
    let next = with(&sqlite::STEPS, NEXT, &[]);
    let clock = Clock::system();
    let mut schema = SqliteSchema::new(&path, &mut connection, clock.clone());
    expand(&mut schema, &sqlite::STEPS, &clock).await.expect("made");
    expand(&mut schema, &next, &clock).await.expect("made");
    let copies = DatabaseCopies::of(&path);
    let [copy] = copies.list().expect("read").try_into().expect("one copy");
    let inspected = sqlite::inspect(&copy.path, true).await.expect("opens");
    assert_eq!((inspected.schema.schema, inspected.faults.len()), (Some(sqlite::STEPS.known()), 0));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&copy.path).expect("there"));
    assert_eq!(mode & 0o777, 0o600);
    let days = |days: i64| clock.now() + jiff::SignedDuration::from_hours(days * 24);
    assert_eq!(copies.remove_old(days(6)).expect("removed"), 0);
    assert_eq!(copies.remove_old(days(8)).expect("removed"), 1);
    assert!(copies.list().expect("read").is_empty());
}

/// As many nodes as start at the same time: each step is carried out once.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_carry_out_each_step_once() {
    let url = server::database();
    let starts = (0..6).map(|_| {
        let url = url.clone();
        tokio::spawn(async move {
            let options = PostgresOptions::new(&url, None, false).expect("an address");
            postgres::open(options, Clock::system()).await.map(|_| ())
        })
    });
    for started in futures_util::future::join_all(starts).await {
        started.expect("no panic").expect("opens");
    }
    let mut connection = connect(&url).await;
    let next = with(&postgres::STEPS, NEXT, &[]);
    assert_eq!(PostgresSchema(&mut connection).applied().await.expect("read").status(&next).pending.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_waits_for_the_node_that_is_carrying_one_out() {
    let url = server::database();
    let mut ours = connect(&url).await;
    expand(&mut PostgresSchema(&mut ours), &postgres::STEPS, &Clock::system()).await.expect("made");
    let mut other = server::connect(&url).await;
    execute(&mut other, "BEGIN; LOCK TABLE migration_lock IN ACCESS EXCLUSIVE MODE").await;
    let waiting = tokio::spawn(async move {
        let next = with(&postgres::STEPS, NEXT, &[]);
        expand(&mut PostgresSchema(&mut ours), &next, &Clock::system()).await
    });
    let mut third = server::connect(&url).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut third).await.expect("asked") == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    execute(&mut other, "COMMIT").await;
    assert_eq!(waiting.await.expect("no panic").expect("done").len(), 2);
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("executed");
}

#[test]
fn both_engines_have_the_same_steps() {
    let names = |steps: &Steps| {
        let all = steps.expand.iter().chain(steps.contract.iter());
        all.map(super::status::label).collect::<Vec<_>>()
    };
    assert_eq!(names(&sqlite::STEPS), names(&postgres::STEPS));
}
