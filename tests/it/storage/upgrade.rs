//! Databases of earlier versions open, and all that they hold is there. The contracts run on an upgraded one, too ([`super::subject`]).

use std::path::Path;

use portcullis::domain::{Algorithm, Grantee, Hasher, UploadId};
use portcullis::storage::metadata::PageLimit;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use super::content::{LEASE, at_once, content, manifest, name, put, sha256, sqlite, tag_target};

/// An upload session that was open at the upgrade.
const OPEN: &str = "0190163d-8694-7d6a-b3a9-3f1a1f0d5c11";

/// A database as the migrations up to `schema` made it.
async fn database_of(folder: &Path, schema: i64) -> SqliteConnection {
    let all = Migrator::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/storage/metadata/sqlite/migrations")));
    let older: Vec<_> = all.await.expect("read").iter().filter(|found| found.version <= schema).cloned().collect();
    assert_eq!(older.len(), usize::try_from(schema).expect("small"));
    let options = SqliteConnectOptions::new().filename(folder.join("metadata.db")).create_if_missing(true);
    let mut connection = options.connect().await.expect("connected");
    Migrator::with_migrations(older).run(&mut connection).await.expect("migrated");
    connection
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.expect("executed");
}

/// What the version before made, with a repository, a tagged manifest of a blob, and an upload under way.
pub async fn database_of_schema_8(folder: &Path) {
    let connection = &mut database_of(folder, 8).await;
    let (manifest, layer) = (manifest("old", &[]), sha256(b"layer"));
    execute(connection, "INSERT INTO meta VALUES (1, 'x', 5, 3, 0, 0, 4)").await;
    execute(connection, "INSERT INTO repositories VALUES (7, 'old/app', 1, 9)").await;
    sqlx::query("INSERT INTO blobs VALUES (3, $1, 5, $1, 0, 2, 1)")
        .bind(layer.to_string())
        .execute(&mut *connection)
        .await
        .expect("filled");
    sqlx::query("INSERT INTO manifests VALUES (9, 7, $1, $2, 3, NULL, NULL, 1, NULL, $3)")
        .bind(manifest.digest.to_string())
        .bind(manifest.media_type.as_str())
        .bind(manifest.content.as_ref())
        .execute(&mut *connection)
        .await
        .expect("filled");
    execute(
        connection,
        "INSERT INTO repository_blobs VALUES (7, 3, 'old/app'); INSERT INTO manifest_blobs VALUES (9, 3);
        INSERT INTO tags VALUES (7, 'v1', 9, 1)",
    )
    .await;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(&content(100, 1));
    sqlx::query("INSERT INTO uploads VALUES ($1, 'old/app', 'user:old#2', 'sha256', 100, 1, $2, 'user:old')")
        .bind(OPEN)
        .bind(hasher.save())
        .execute(connection)
        .await
        .expect("filled");
}

#[tokio::test]
async fn what_the_version_before_stored_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    database_of_schema_8(folder.path()).await;
    let store = sqlite(folder.path()).await;
    let old = name("old/app");
    assert_eq!(tag_target(&*store, "old/app", "v1").await, Some(sha256(b"old")));
    assert_eq!(store.generation(&old).await.expect("read"), Some(9));
    assert_eq!(store.policy_version().await.expect("read"), 5);
    let layer = store.blob(&old, &sha256(b"layer")).await.expect("read").expect("linked").blob;
    assert_eq!((layer.size, layer.key.0.clone()), (5, sha256(b"layer").to_string()));
    let id: UploadId = OPEN.parse().expect("a name");
    let upload = store.upload(&old, "user:old#2", id).await.expect("read").expect("open");
    let staged = upload.staged().expect("its hash continues");
    assert_eq!((staged.length, staged.area.backend.clone()), (100, None));
    assert_eq!(staged.hasher.finish(), sha256(&content(100, 1)));
    let layer = store.link_blob(&old, layer, Some((id, 100)), LEASE).await.expect("finished").expect("known");
    assert_eq!(layer.0, sha256(b"layer").to_string());
}

#[tokio::test]
async fn accounts_of_the_version_before_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    database_of_schema_8(folder.path()).await;
    let options = SqliteConnectOptions::new().filename(folder.path().join("metadata.db"));
    execute(
        &mut options.connect().await.expect("connected"),
        "INSERT INTO users VALUES ('old', 'hash', 1, 0, 2, 1, '[5,6]', 2), ('off', 'hash', 0, 1, 3, 1, NULL, 0);
        INSERT INTO grants VALUES ('user:off', 'old/**', 1, 0, 1);
        INSERT INTO token_keys VALUES ('kid', x'07', 1, 2, 3);
        INSERT INTO refresh_tokens VALUES ('hash', 'old', 2, 1, 9);
        INSERT INTO acme_accounts VALUES ('https://ca.test/dir', x'08', 1)",
    )
    .await;
    let store = sqlite(folder.path()).await;
    let users = store.users().await.expect("read");
    let told: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.admin, user.disabled, user.epoch)).collect();
    assert_eq!(told, [("off", false, true, 3), ("old", true, false, 2)]);
    assert_eq!((users[1].failures.at.as_slice(), users[1].failures.consecutive), ([5, 6].as_slice(), 2));
    let off = store.account_policy(&Grantee::User(users[0].name.clone())).await.expect("read");
    assert_eq!((off.version, off.grants[0].allow.to_string()), (5, "pull,delete".to_owned()));
    assert_eq!(store.token_keys().await.expect("read")[0].sealed, [7]);
    assert!(store.refresh_token("hash").await.expect("read").is_some());
    assert_eq!(store.acme_account("https://ca.test/dir").await.expect("read"), Some(vec![8]));
    assert!(!store.is_new().await.expect("read"));
}

#[tokio::test]
async fn an_older_version_gets_generations_and_types_without_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut connection = database_of(folder.path(), 4).await;
    let (digest, subject) = (sha256(b"old"), sha256(b"subject"));
    execute(
        &mut connection,
        "INSERT INTO meta VALUES (1, 'x', 1, 0, 0, 0); INSERT INTO repositories VALUES (7, 'old', 1)",
    )
    .await;
    sqlx::query("INSERT INTO manifests VALUES (9, 7, $1, 'a/b', 3, $2, 'Test/Type', 1, NULL, $3)")
        .bind(digest.to_string())
        .bind(subject.to_string())
        .bind(b"old".as_slice())
        .execute(&mut connection)
        .await
        .expect("filled");
    let store = sqlite(folder.path()).await;
    let before = store.generation(&name("old")).await.expect("read").expect("exists");
    let old = store.manifest(&name("old"), &digest).await.expect("read").expect("exists");
    assert_eq!(old.generation, before);
    let limit = PageLimit { entries: 10, bytes: 1 << 20 };
    let of_type = store.referrers(&name("old"), &subject, Some("test/type"), None, limit).await;
    assert_eq!(of_type.expect("read").entries.len(), 1);
    put(&*store, "old", manifest("new", &["v1"])).await;
    assert!(store.generation(&name("old")).await.expect("read") > Some(before));
    assert!(store.remove_repository(&name("old"), &at_once()).await.expect("removed"));
    put(&*store, "old", manifest("old", &["v1"])).await;
    assert!(store.generation(&name("old")).await.expect("read") > Some(before + 1));
}

#[tokio::test]
async fn a_tag_of_the_version_before_has_a_history_once_it_moves() {
    let folder = tempfile::tempdir().expect("a folder");
    database_of_schema_8(folder.path()).await;
    let store = sqlite(folder.path()).await;
    let old = name("old/app");
    let [now] = store.tag_targets(&old, None, None, 10).await.expect("read").try_into().expect("one tag");
    assert_eq!((now.digest, now.from, now.by), (sha256(b"old"), 1, None));
    put(&*store, "old/app", manifest("new", &["v1"])).await;
    let [past] = store.tag_history(&old, None, None, 10).await.expect("read").try_into().expect("one entry");
    assert_eq!((past.digest, past.from, past.by), (sha256(b"old"), 1, None), "no one knows who pushed it");
    assert_eq!(past.ended.expect("moved").by, "user:alice");
}
