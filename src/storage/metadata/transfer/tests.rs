//! Every table is known, and whatever is in them arrives as it was, from each engine in the other.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};

use super::{TABLES, Tables, copied, copy};
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::metadata::postgres::statement_tests::server;
use crate::storage::metadata::postgres::{self, PostgresOptions};
use crate::storage::metadata::sqlite;

const FILL: &str = "UPDATE meta SET policy_version = 7, last_epoch = 3, last_generation = 9;
    INSERT INTO repositories (id, name, created_at, generation) VALUES (5, 'a/b', 1, 2), (9, 'ä', 2, 3);
    INSERT INTO blobs (id, digest, size, key, lease_until, created_at) VALUES (4, 'sha256:a', 3, 'here', 0, 1), (8, 'sha256:b', 0, 'there', 5, 1);
    INSERT INTO repository_blobs VALUES (5, 4, 'a/b'), (9, 4, 'ä'), (9, 8, 'ä');
    INSERT INTO manifests (id, repository_id, digest, media_type, size, subject, artifact_type, created_at, annotations, content)
        VALUES (6, 5, 'sha256:c', 'x/y', 2, NULL, NULL, 1, NULL, x'7b00ff7d'), (7, 5, 'sha256:d', 'x/y', 0, 'sha256:c', 'A/b', 1, '{\"ü\":\"\"}', x'');
    INSERT INTO manifest_blobs VALUES (6, 4, 5);
    INSERT INTO manifest_children VALUES (5, 'sha256:c', 7);
    INSERT INTO tags (repository_id, name, manifest_id, updated_at) VALUES (5, 'v1', 6, 1), (5, 'V1', 7, 1);
    INSERT INTO trash VALUES (1, 1, 5, 'a/b', NULL, 'sha256:c', NULL, 1, 'user:a', 'delete', 2), (2, 0, 5, 'a/b', 'v1', 'sha256:c', 1, 1, 'user:a', 'delete', 2);
    INSERT INTO tag_history VALUES (4, 5, 'v1', 'sha256:d', 1, 2, NULL, NULL, 'user:a', 'push');
    INSERT INTO holds VALUES ('a/b', '', 'because', 1, 'operator:root');
    INSERT INTO users (name, password_hash, admin, disabled, epoch, created_at, failed_at, failed_in_row)
        VALUES ('b', 'hash', 1, 0, 2, 1, '[1,2]', 2), ('a', '', 0, 1, 3, 1, NULL, 0);
    INSERT INTO grants VALUES ('user:a', '**', 1, 0, 1);
    INSERT INTO token_keys VALUES ('kid', x'00ff', 1, 2, 3);
    INSERT INTO refresh_tokens VALUES ('hash', 'b', 2, 1, 9);
    INSERT INTO unknown_logins (id, name_hash, failed_at, failed_in_row, last_at) VALUES (3, x'01', '[1]', 1, 1);
    INSERT INTO acme_accounts VALUES ('https://ca.test', x'02', 1);
    INSERT INTO uploads (id, repository, subject, algorithm, length, updated_at, hash_state) VALUES ('u', 'a/b', 's', 'sha256', 0, 1, x'')";

async fn file(folder: &tempfile::TempDir, name: &str) -> Box<dyn Tables> {
    let path = folder.path().join(name);
    sqlite::open(&path, Clock::system()).await.expect("opens").close().await.expect("closes");
    sqlite::tables(&path).await.expect("opens")
}

async fn database() -> (String, Box<dyn Tables>) {
    let url = server::database();
    let options = PostgresOptions::new(&url, None, false).expect("an address");
    postgres::open(options.clone(), Clock::system()).await.expect("opens").close().await.expect("closes");
    (url, postgres::tables(&options).await.expect("opens"))
}

async fn run(tables: &mut dyn Tables, sql: &str) {
    tables.begin_writing().await.expect("begun");
    for statement in sql.split(';') {
        tables.run(statement.to_owned(), Vec::new()).await.expect("run");
    }
    tables.commit().await.expect("committed");
}

#[tokio::test]
async fn every_table_of_the_schema_is_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    file(&folder, "a.db").await.close().await.expect("closed");
    let mut connection =
        SqliteConnectOptions::new().filename(folder.path().join("a.db")).connect().await.expect("opens");
    let rows = sqlx::query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'",
    );
    let rows = rows.fetch_all(&mut connection).await.expect("read");
    let of_schema: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let listed: BTreeSet<String> = TABLES.iter().map(|table| table.name.to_owned()).collect();
    assert_eq!(of_schema, listed, "say in TABLES whether a registry takes the new table along to other storage");
}

#[tokio::test]
async fn rows_are_the_same_in_each_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut first, mut last) = (file(&folder, "first.db").await, file(&folder, "last.db").await);
    let (url, mut middle) = database().await;
    run(&mut *first, FILL).await;
    let there = copy(&mut *first, &mut *middle, false, &|_, _| ()).await.expect("copied");
    let again = copy(&mut *first, &mut *middle, false, &|_, _| ()).await.expect("copied again, in place of the first");
    let back = copy(&mut *middle, &mut *last, false, &|_, _| ()).await.expect("copied back");
    assert_eq!((&there, &there), (&again, &back));
    let rows = |table: &str| there.iter().find(|compared| compared.table == table).map(|compared| compared.rows);
    assert_eq!((rows("tags"), rows("manifests"), rows("meta"), rows("uploads")), (Some(2), Some(2), Some(1), None));
    assert_eq!((rows("trash"), rows("tag_history"), rows("holds")), (Some(2), Some(1), Some(1)));
    assert_eq!(there.len(), copied().count());
    // Numbers continue behind those that were copied.
    let mut raw = server::connect(&url).await;
    let next = "INSERT INTO repositories (name, created_at) VALUES ('next', 1) RETURNING id";
    assert_eq!(sqlx::query_scalar::<_, i64>(next).fetch_one(&mut raw).await.expect("inserted"), 10);
}

#[tokio::test]
async fn blobs_get_the_keys_of_the_other_store_and_none_is_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut source = file(&folder, "source.db").await;
    let (url, mut target) = database().await;
    run(&mut *source, FILL).await;
    run(&mut *target, "INSERT INTO moved_blobs VALUES ('sha256:a', 'u/1')").await;
    let error = copy(&mut *source, &mut *target, true, &|_, _| ()).await.expect_err("one has not arrived");
    assert!(matches!(&error, StorageError::Damaged(why) if why.contains("sha256:b")), "{error}");
    // What was begun ends with its connections.
    drop((source, target));
    let options = PostgresOptions::new(&url, None, false).expect("an address");
    let mut target = postgres::tables(&options).await.expect("opens");
    let mut source = sqlite::tables(&folder.path().join("source.db")).await.expect("opens");
    run(&mut *target, "INSERT INTO moved_blobs VALUES ('sha256:b', 'u/2')").await;
    copy(&mut *source, &mut *target, true, &|_, _| ()).await.expect("copied");
    let mut raw = server::connect(&url).await;
    let keys = sqlx::query_scalar::<_, String>("SELECT key FROM blobs ORDER BY digest").fetch_all(&mut raw).await;
    assert_eq!(keys.expect("read"), ["u/1", "u/2"]);
}

#[tokio::test]
async fn what_arrives_otherwise_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut source, mut target) = (file(&folder, "source.db").await, file(&folder, "target.db").await);
    run(&mut *source, FILL).await;
    let meddle = "CREATE TRIGGER meddle AFTER INSERT ON tags WHEN new.name = 'v1' BEGIN UPDATE tags SET updated_at = 2 WHERE name = 'v1'; END";
    target.begin_writing().await.expect("begun");
    target.run(meddle.to_owned(), Vec::new()).await.expect("made");
    target.commit().await.expect("committed");
    let error = copy(&mut *source, &mut *target, false, &|_, _| ()).await.expect_err("they differ").to_string();
    assert!(error.contains("the table tags has 2 rows"), "{error}");
}
