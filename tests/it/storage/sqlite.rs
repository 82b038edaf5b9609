//! What is particular to `SQLite`: the file, other processes, groups of writes, damage.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use portcullis::domain::{Clock, ManualClock};
use portcullis::storage::StorageError;
use portcullis::storage::metadata::sqlite::open;
use portcullis::storage::metadata::{NewManifest, PutOutcome, UploadProgress};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row, SqliteConnection};

use super::content::{LEASE, SmallDisk, at_once, blob, change, fresh, link, manifest, name, put, sha256, sqlite};

/// A second connection, as another process would have.
async fn raw(folder: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(folder.join("metadata.db")).connect().await.expect("connected")
}

async fn execute(folder: &Path, sql: &'static str) {
    sqlx::query(sql).execute(&mut raw(folder).await).await.expect("executed");
}

#[tokio::test]
async fn the_files_are_private_and_closing_leaves_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(folder.path()).await;
    store.link_blob(&name("a"), blob(1, 1), None, LEASE).await.expect("linked");
    for file in ["metadata.db", "metadata.db-wal", "metadata.db-shm"] {
        let mode = fs::metadata(folder.path().join(file)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    store.close().await.expect("closed");
    store.close().await.expect("closed again");
    assert!(store.ping().await.is_err() && store.policy_version().await.is_err());
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    assert!(sqlite(folder.path()).await.repository_exists(&name("a")).await.expect("read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_may_open_it_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = join_all((0..6).map(|_| sqlite(folder.path()))).await;
    let written = join_all(opened.iter().enumerate().map(|(number, store)| async move {
        for seed in 0..20 {
            store.link_blob(&name(&format!("from/{number}")), blob(seed, 10), None, LEASE).await.expect("linked");
        }
    }));
    written.await;
    assert_eq!(opened[0].repositories(None, 100).await.expect("read").len(), 6);
}

#[tokio::test]
async fn a_newer_database_opens_until_it_is_finalized() {
    let folder = tempfile::tempdir().expect("a folder");
    sqlite(folder.path()).await.close().await.expect("closed");
    execute(
        folder.path(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', 1, x'00', 0)",
    )
    .await;
    let store = sqlite(folder.path()).await;
    store.link_blob(&name("a"), blob(1, 1), None, LEASE).await.expect("linked");
    store.close().await.expect("closed");
    execute(folder.path(), "UPDATE meta SET min_schema = 9999, min_version = '7.0.0'").await;
    let error = open(&folder.path().join("metadata.db"), Clock::system()).await.err().expect("refused").to_string();
    assert!(
        error.contains("metadata.db: a newer version")
            && error.contains("start that version")
            && error.contains("version 7.0.0")
            && error.contains("9999"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("metadata.db");
    fs::write(&path, vec![b'x'; 8192]).expect("written");
    assert!(matches!(open(&path, Clock::system()).await.err(), Some(StorageError::Damaged(_))));
    assert!(open(Path::new("/nowhere/metadata.db"), Clock::system()).await.is_err());
}

#[tokio::test]
async fn a_damaged_row_is_an_error_and_not_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(folder.path()).await;
    let repository = name("damaged");
    store.put_manifest(&repository, manifest("whole", &["v1"]), LEASE, &change()).await.expect("put");
    store.link_blob(&repository, blob(1, 1), None, LEASE).await.expect("linked");
    execute(folder.path(), "UPDATE manifests SET content = x'00'").await;
    let damaged = store.manifest(&repository, &sha256(b"whole")).await;
    assert!(matches!(damaged, Err(StorageError::Damaged(_))), "{damaged:?}");
    execute(folder.path(), "UPDATE manifests SET digest = 'no digest'").await;
    assert!(matches!(store.tags(&repository, None, 9).await, Err(StorageError::Damaged(_))));
    execute(folder.path(), "UPDATE repositories SET name = 'No Name'").await;
    assert!(matches!(store.repositories(None, 9).await, Err(StorageError::Damaged(_))));
    execute(folder.path(), "DELETE FROM meta").await;
    assert!(matches!(store.policy_version().await, Err(StorageError::Damaged(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_writes_at_once_and_one_that_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(folder.path()).await;
    let session = portcullis::storage::metadata::UploadRecord {
        id: portcullis::domain::UploadId::generate(),
        repository: name("a"),
        subject: "user:a".to_owned(),
        owner: "user:a".to_owned(),
        progress: UploadProgress::from(&fresh()),
        updated_at: 0,
    };
    store.create_upload(session.clone(), 2000).await.expect("stored");
    let writes = (0..1000_u64).map(|number| {
        let (store, session) = (Arc::clone(&store), session.clone());
        tokio::spawn(async move {
            // Every tenth one is refused by the database: there is a session of this name.
            if number % 10 == 0 {
                assert!(store.create_upload(session, 2000).await.is_err());
            } else {
                let new = manifest(&format!("manifest {number}"), &[&format!("t{number}")]);
                let outcome =
                    store.put_manifest(&name(&format!("r{}", number % 5)), new, LEASE, &change()).await.expect("put");
                assert_eq!(outcome, PutOutcome::Stored);
            }
        })
    });
    for write in join_all(writes).await {
        write.expect("no panic");
    }
    let mut tags = 0;
    for repository in store.repositories(None, 100).await.expect("read") {
        tags += store.tags(&repository, None, 1000).await.expect("read").expect("exists").len();
    }
    assert_eq!(tags, 900);
}

#[tokio::test(flavor = "multi_thread")]
async fn puts_and_deletes_at_once_leave_no_half() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(folder.path()).await;
    let workers = (0..8_u64).map(|worker| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..50_u64 {
                let text = format!("manifest {}", (worker + round) % 3);
                if (worker + round) % 2 == 0 {
                    store
                        .put_manifest(&name("shared"), manifest(&text, &["latest"]), LEASE, &change())
                        .await
                        .expect("put");
                } else {
                    store
                        .delete_manifest(&name("shared"), &sha256(text.as_bytes()), &at_once())
                        .await
                        .expect("deleted");
                }
                // A tag that is there points to a manifest that is there.
                for found in store.tags(&name("shared"), None, 10).await.expect("read").unwrap_or_default() {
                    assert_eq!(found.tag.as_str(), "latest");
                }
            }
        })
    });
    for worker in join_all(workers).await {
        worker.expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_is_done_though_the_caller_has_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(folder.path()).await;
    for number in 0..50 {
        let repository = name(&format!("left/{number}"));
        let write = store.link_blob(&repository, blob(number, 1), None, LEASE);
        // Polled once, which queues it, and dropped.
        tokio::select! { biased; _ = write => {}, () = std::future::ready(()) => {} }
    }
    store.ping().await.expect("after all of them");
    assert_eq!(store.repositories(Some("left"), 100).await.expect("read").len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_that_writes_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(folder.path()).await;
    let mut other = raw(folder.path()).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("begun");
    sqlx::query("UPDATE meta SET policy_version = policy_version + 1").execute(&mut other).await.expect("updated");
    let before = store.policy_version().await.expect("reads do not wait");
    let repository = name("a");
    let mut write = Box::pin(store.link_blob(&repository, blob(1, 1), None, LEASE));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut write).await.is_err(), "it waits");
    sqlx::query("COMMIT").execute(&mut other).await.expect("committed");
    write.await.expect("linked");
    assert_eq!(store.policy_version().await.expect("read"), before + 1, "and sees what the other one did");
}

#[tokio::test]
async fn a_full_disk_is_said_and_got_over() {
    let Some(small) = SmallDisk::mount("4m") else { return };
    let store = sqlite(small.path()).await;
    let repository = name("full");
    store.put_manifest(&repository, manifest("first", &["first"]), LEASE, &change()).await.expect("put");
    let filler = small.path().join("filler");
    let _ = fs::write(&filler, vec![1; 8 << 20]);
    let mut acknowledged = Vec::new();
    let full = loop {
        let text = format!("{:60000}", acknowledged.len());
        match store.put_manifest(&repository, manifest(&text, &[]), LEASE, &change()).await {
            Ok(_) => acknowledged.push(text),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StorageError::Full(_)), "{full:?}");
    assert!(store.manifest(&repository, &sha256(b"first")).await.expect("reads continue").is_some());
    fs::remove_file(&filler).expect("removed");
    store.put_manifest(&repository, manifest("last", &["last"]), LEASE, &change()).await.expect("there is room again");
    for text in acknowledged {
        assert!(store.manifest(&repository, &sha256(text.as_bytes())).await.expect("read").is_some());
    }
    store.close().await.expect("closed");
}

async fn number(folder: &Path, sql: &'static str) -> i64 {
    sqlx::query(sql).fetch_one(&mut raw(folder).await).await.expect("read").get(0)
}

#[tokio::test]
async fn children_that_come_later_are_linked_to_their_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(folder.path()).await;
    let (layer, late) = (blob(32, 10), sha256(b"late"));
    let children = vec![late.clone(), layer.digest.clone(), sha256(b"never")];
    let index = NewManifest { children, may_be_sparse: true, ..manifest("sparse", &[]) };
    assert_eq!(put(&*store, "a", index).await, PutOutcome::Stored);
    let blobs = "SELECT COUNT(*) FROM manifest_blobs b JOIN manifests m ON m.id = b.manifest_id";
    let parents = "SELECT COUNT(*) FROM manifest_children c JOIN manifests m
        ON m.repository_id = c.repository_id AND m.digest = c.digest";
    assert_eq!((number(folder.path(), blobs).await, number(folder.path(), parents).await), (0, 0));
    put(&*store, "a", manifest("late", &[])).await;
    link(&*store, "b", &layer).await;
    assert_eq!(
        (number(folder.path(), blobs).await, number(folder.path(), parents).await),
        (0, 1),
        "elsewhere is not here"
    );
    assert!(store.mount_blob(&name("b"), &name("a"), &layer.digest, LEASE).await.expect("mounted"));
    assert_eq!((number(folder.path(), blobs).await, number(folder.path(), parents).await), (1, 1));
}

#[tokio::test]
async fn a_lease_is_as_long_as_it_is_asked_for_and_only_grows() {
    const UNTIL: &str = "SELECT lease_until FROM blobs";
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).expect("in range"));
    let store = open(&folder.path().join("metadata.db"), clock.clock()).await.expect("opens");
    let (from, to, blob, hour) = (name("from"), name("to"), blob(1, 1), Duration::from_hours(1));
    store.link_blob(&from, blob.clone(), None, hour).await.expect("linked");
    assert_eq!(number(folder.path(), UNTIL).await, 1_800_003_600);
    assert!(store.mount_blob(&from, &to, &blob.digest, Duration::ZERO).await.expect("mounted"));
    assert_eq!(number(folder.path(), UNTIL).await, 1_800_003_600, "a shorter one changes nothing");
    clock.advance(hour);
    let refers = NewManifest { blobs: vec![blob.digest.clone()], ..manifest("refers", &[]) };
    store.put_manifest(&to, refers, hour, &change()).await.expect("put");
    assert_eq!(number(folder.path(), UNTIL).await, 1_800_007_200);
}
