//! The contract of generations, by which others know that what they remember still holds; and of indexes that come before what they
//! list. Databases of earlier versions get both.

use std::path::Path;

use portcullis::storage::metadata::{Metadata, NewManifest, PageLimit, PutOutcome};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row, SqliteConnection};

use crate::metadata::{blob, link, manifest, put, tag_target};
use crate::support::{LEASE, name, sha256, sqlite};

pub(crate) async fn contract(store: &dyn Metadata) {
    every_change_of_what_can_be_read_raises_the_generation(store).await;
    a_generation_never_comes_back(store).await;
    an_index_may_come_before_its_children(store).await;
}

async fn generation(store: &dyn Metadata, repository: &str) -> Option<i64> {
    store.generation(&name(repository)).await.expect("read")
}

async fn every_change_of_what_can_be_read_raises_the_generation(store: &dyn Metadata) {
    let (repository, blob) = (name("changes"), blob(30, 10));
    assert_eq!(generation(store, "changes").await, None);
    link(store, "changes", &blob).await;
    let mut last = generation(store, "changes").await.expect("exists");
    let mut has_grown = async |what: &str, grows: bool| {
        let now = generation(store, "changes").await.expect("exists");
        assert_eq!(now > last, grows, "{what}: {last}, then {now}");
        last = now;
    };
    put(store, "changes", manifest("one", &["v1"])).await;
    has_grown("a manifest is put", true).await;
    let read = store.manifest_by_tag(&repository, &"v1".parse().expect("a tag")).await.expect("read").expect("exists");
    assert_eq!(Some(read.generation), generation(store, "changes").await);
    put(store, "changes", NewManifest { blobs: vec![sha256(b"absent")], ..manifest("two", &["v1"]) }).await;
    has_grown("a put is refused", false).await;
    assert!(store.delete_tag(&repository, &"v1".parse().expect("a tag")).await.expect("deleted"));
    has_grown("a tag is deleted", true).await;
    assert!(!store.delete_tag(&repository, &"v1".parse().expect("a tag")).await.expect("gone"));
    has_grown("nothing is deleted", false).await;
    assert!(store.delete_manifest(&repository, &sha256(b"one")).await.expect("deleted"));
    has_grown("a manifest is deleted", true).await;
    assert!(store.unlink_blob(&repository, &blob.digest).await.expect("unlinked"));
    has_grown("a blob is unlinked", true).await;
}

async fn a_generation_never_comes_back(store: &dyn Metadata) {
    let mut last = 0;
    for round in 0..3 {
        put(store, "again", manifest("the same", &["v1"])).await;
        // Others come and go in between.
        put(store, &format!("again/{round}"), manifest("another", &["v1"])).await;
        let now = generation(store, "again").await.expect("exists");
        assert!(now > last, "{last}, then {now}");
        last = now;
        assert!(store.remove_repository(&name("again")).await.expect("removed"));
        assert!(!store.remove_repository(&name("again")).await.expect("gone"));
        assert_eq!(generation(store, "again").await, None);
    }
}

async fn an_index_may_come_before_its_children(store: &dyn Metadata) {
    let (layer, absent) = (blob(31, 10), sha256(b"never there"));
    let children = vec![sha256(b"late child"), layer.digest.clone(), absent.clone()];
    let index = NewManifest { children, ..manifest("sparse index", &["v1"]) };
    let everything = vec![sha256(b"late child"), layer.digest.clone(), absent.clone()];
    assert_eq!(put(store, "sparse", index.clone()).await, PutOutcome::Missing(everything), "unless it is allowed");
    let index = NewManifest { may_be_sparse: true, ..index };
    assert_eq!(put(store, "sparse", index.clone()).await, PutOutcome::Stored);
    assert_eq!(tag_target(store, "sparse", "v1").await, Some(index.digest.clone()));
    let layers = NewManifest { blobs: vec![absent.clone()], may_be_sparse: true, ..manifest("an image", &[]) };
    assert_eq!(put(store, "sparse", layers).await, PutOutcome::Missing(vec![absent]), "images need their layers");
    link(store, "sparse", &layer).await;
    put(store, "sparse", manifest("late child", &[])).await;
    assert!(store.delete_manifest(&name("sparse"), &index.digest).await.expect("deleted"));
    assert!(store.manifest(&name("sparse"), &sha256(b"late child")).await.expect("read").is_some());
}

async fn raw(folder: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.join("metadata.db")).create_if_missing(true);
    options.connect().await.expect("connected")
}

async fn count(folder: &Path, sql: &'static str) -> i64 {
    sqlx::query(sql).fetch_one(&mut raw(folder).await).await.expect("counted").get(0)
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
    assert_eq!((count(folder.path(), blobs).await, count(folder.path(), parents).await), (0, 0));
    put(&*store, "a", manifest("late", &[])).await;
    link(&*store, "b", &layer).await;
    assert_eq!(
        (count(folder.path(), blobs).await, count(folder.path(), parents).await),
        (0, 1),
        "elsewhere is not here"
    );
    assert!(store.mount_blob(&name("b"), &name("a"), &layer.digest, LEASE).await.expect("mounted"));
    assert_eq!((count(folder.path(), blobs).await, count(folder.path(), parents).await), (1, 1));
}

/// What the version before made, by its own migrations, and with rows of every kind that the new ones are about.
async fn database_of_the_version_before(folder: &Path) {
    let all = Migrator::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/storage/metadata/sqlite/migrations")));
    let older = all.await.expect("read").iter().filter(|migration| migration.version <= 4).cloned().collect::<Vec<_>>();
    assert_eq!(older.len(), 4);
    let mut connection = raw(folder).await;
    Migrator::with_migrations(older).run(&mut connection).await.expect("migrated");
    let (digest, subject) = (sha256(b"old"), sha256(b"subject"));
    sqlx::raw_sql("INSERT INTO meta VALUES (1, 'x', 1, 0, 0, 0); INSERT INTO repositories VALUES (7, 'old', 1)")
        .execute(&mut connection)
        .await
        .expect("filled");
    sqlx::query("INSERT INTO manifests VALUES (9, 7, $1, 'a/b', 3, $2, 'Test/Type', 1, NULL, $3)")
        .bind(digest.to_string())
        .bind(subject.to_string())
        .bind(b"old".as_slice())
        .execute(&mut connection)
        .await
        .expect("filled");
}

#[tokio::test]
async fn a_database_of_the_version_before_opens_and_works() {
    let folder = tempfile::tempdir().expect("a folder");
    database_of_the_version_before(folder.path()).await;
    let store = sqlite(folder.path()).await;
    let before = store.generation(&name("old")).await.expect("read").expect("exists");
    let old = store.manifest(&name("old"), &sha256(b"old")).await.expect("read").expect("exists");
    assert_eq!(old.generation, before);
    let limit = PageLimit { entries: 10, bytes: 1 << 20 };
    let of_type = store.referrers(&name("old"), &sha256(b"subject"), Some("test/type"), None, limit).await;
    assert_eq!(of_type.expect("read").entries.len(), 1);
    put(&*store, "old", manifest("new", &["v1"])).await;
    assert!(store.generation(&name("old")).await.expect("read") > Some(before));
    assert!(store.remove_repository(&name("old")).await.expect("removed"));
    put(&*store, "old", manifest("old", &["v1"])).await;
    assert!(store.generation(&name("old")).await.expect("read") > Some(before + 1));
    store.close().await.expect("closed");
    crate::metadata::whole_contract(&*sqlite(folder.path()).await).await;
}
