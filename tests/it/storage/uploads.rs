//! The contract of upload sessions: whose they are, how far they came, and that of two writers one counts.

use std::time::Duration;

use portcullis::domain::{Algorithm, UploadId};
use portcullis::storage::StorageError;
use portcullis::storage::blobs::{StagingArea, StagingState};
use portcullis::storage::metadata::{SavedUpload, UploadProgress, UploadRecord};

use super::content::name;
use super::subject::{BEGIN, MetadataSubject};

metadata_contract! {
    uploads_belong_to_repository_and_subject,
    stale_uploads_are_found,
    an_owner_has_so_many_uploads,
    an_owner_has_no_more_uploads_by_beginning_many_at_once,
    of_two_writers_of_a_session_one_is_saved,
    progress_by_another_node_keeps_a_session,
    one_request_holds_a_session,
}

pub fn progress(length: u64) -> UploadProgress {
    let staging = Some(StagingState(length.to_be_bytes().to_vec()));
    UploadProgress { algorithm: Algorithm::Sha256, length, hash_state: vec![1, 2, 3], staging }
}

pub fn upload(repository: &str, subject: &str) -> UploadRecord {
    UploadRecord {
        id: UploadId::generate(),
        repository: name(repository),
        subject: subject.to_owned(),
        owner: subject.to_owned(),
        progress: progress(0),
        updated_at: 0,
    }
}

async fn uploads_belong_to_repository_and_subject(store: &MetadataSubject) {
    let session = upload("uploads/here", "user:alice");
    let (here, id) = (name("uploads/here"), session.id);
    assert!(store.create_upload(session.clone(), 1000).await.expect("stored"));
    assert!(!store.repository_exists(&here).await.expect("read"));
    let found = store.upload(&here, "user:alice", id).await.expect("read").expect("there");
    assert_eq!(found, UploadRecord { updated_at: BEGIN, ..session }, "the store sets the time");
    assert_eq!(store.upload(&here, "user:bob", id).await.expect("read"), None);
    assert_eq!(store.upload(&name("uploads/elsewhere"), "user:alice", id).await.expect("read"), None);

    let far =
        UploadProgress { algorithm: Algorithm::Sha512, hash_state: vec![4, 5], staging: None, ..progress(1 << 40) };
    assert_eq!(store.save_upload(id, 0, far.clone()).await.expect("saved"), SavedUpload::Saved);
    let found = store.upload(&here, "user:alice", id).await.expect("read").expect("there");
    assert_eq!(found.progress, far);
    let impossible = store.save_upload(id, 1 << 40, progress(u64::MAX)).await;
    assert!(matches!(impossible, Err(StorageError::Damaged(_))));

    assert!(store.delete_upload(id).await.expect("deleted"));
    assert!(!store.delete_upload(id).await.expect("gone"));
    assert_eq!(store.save_upload(id, 1 << 40, progress(1)).await.expect("answered"), SavedUpload::Gone);
}

async fn stale_uploads_are_found(store: &MetadataSubject) {
    let session = upload("stale", "user:alice");
    assert!(store.create_upload(session.clone(), 1000).await.expect("stored"));
    let now = store.upload(&name("stale"), "user:alice", session.id).await.expect("read").expect("there").updated_at;
    assert!(!store.stale_uploads(now, 0, 100).await.expect("read").contains(&session.id));
    assert!(store.stale_uploads(now + 1, 0, 100).await.expect("read").contains(&session.id));
    assert!(store.stale_uploads(now + 1, 0, 0).await.expect("read").is_empty());
    assert!(store.stale_uploads(now + 1, 1000, 100).await.expect("read").is_empty());

    // Progress since the look keeps a session.
    let ids = vec![session.id, UploadId::generate()];
    assert!(store.delete_stale_uploads(now, ids.clone()).await.expect("deleted").is_empty());
    assert_eq!(
        store.delete_stale_uploads(now + 1, ids).await.expect("deleted"),
        [StagingArea { upload: session.id, backend: session.progress.staging }]
    );
    assert!(!store.upload_exists(session.id).await.expect("read"));
}

async fn an_owner_has_so_many_uploads(store: &MetadataSubject) {
    let session = || UploadRecord { id: UploadId::generate(), ..upload("crowded", "user:carol") };
    let first = session();
    assert!(store.create_upload(first.clone(), 2).await.expect("stored"));
    assert!(store.create_upload(session(), 2).await.expect("stored"));
    let third = session();
    assert!(!store.create_upload(third.clone(), 2).await.expect("refused"));
    assert!(!store.upload_exists(third.id).await.expect("read"), "nothing was stored");
    let other = UploadRecord { owner: "user:dave".to_owned(), ..session() };
    assert!(store.create_upload(other, 2).await.expect("another owner"));
    assert!(store.delete_upload(first.id).await.expect("deleted"));
    assert!(store.create_upload(third, 2).await.expect("there is room again"));
    assert!(!store.create_upload(session(), 0).await.expect("none at all"));
}

async fn an_owner_has_no_more_uploads_by_beginning_many_at_once(store: &MetadataSubject) {
    let other = store.other().await;
    let begin = async |number: usize| {
        let store = if number.is_multiple_of(2) { &**store } else { &*other };
        store.create_upload(upload("uploads/here", "user:alice"), 5).await.expect("answered")
    };
    let answers = futures_util::future::join_all((0..40).map(begin)).await;
    assert_eq!(answers.into_iter().filter(|answer| *answer).count(), 5);
    other.close().await.expect("closed");
}

async fn of_two_writers_of_a_session_one_is_saved(store: &MetadataSubject) {
    let (session, other) = (upload("writers", "user:alice"), store.other().await);
    let (here, id) = (name("writers"), session.id);
    assert!(store.create_upload(session, 1000).await.expect("stored"));
    let (one, two) = tokio::join!(store.save_upload(id, 0, progress(10)), other.save_upload(id, 0, progress(20)));
    let (one, two) = (one.expect("answered"), two.expect("answered"));
    let length = if one == SavedUpload::Saved { 10 } else { 20 };
    assert_eq!(if length == 10 { two } else { one }, SavedUpload::Moved { length });
    let found = other.upload(&here, "user:alice", id).await.expect("read").expect("there");
    assert_eq!(found.progress, progress(length), "length, hash and staging state are of the same writer");
    assert_eq!(other.save_upload(id, length, progress(30)).await.expect("saved"), SavedUpload::Saved);
    assert_eq!(store.save_upload(id, length, progress(30)).await.expect("answered"), SavedUpload::Moved { length: 30 });
}

async fn progress_by_another_node_keeps_a_session(store: &MetadataSubject) {
    let (session, other) = (upload("kept", "user:alice"), store.other().await);
    assert!(store.create_upload(session.clone(), 1000).await.expect("stored"));
    store.clock.advance(Duration::from_secs(100));
    assert!(store.stale_uploads(BEGIN + 100, 0, 1000).await.expect("read").contains(&session.id));
    assert_eq!(other.save_upload(session.id, 0, progress(1)).await.expect("saved"), SavedUpload::Saved);
    assert!(store.delete_stale_uploads(BEGIN + 100, vec![session.id]).await.expect("answered").is_empty());
    assert!(store.upload_exists(session.id).await.expect("read"));
}

async fn one_request_holds_a_session(store: &MetadataSubject) {
    let (session, other) = (upload("held", "user:alice"), store.other().await);
    let (id, time) = (session.id, Duration::from_secs(10));
    assert!(store.create_upload(session, 1000).await.expect("stored"));
    assert!(store.hold_upload(id, "one", time).await.expect("taken"));
    assert!(!other.hold_upload(id, "two", time).await.expect("refused"));
    store.clock.advance(Duration::from_secs(9));
    assert!(store.hold_upload(id, "one", time).await.expect("kept"));
    store.clock.advance(Duration::from_secs(9));
    assert!(!other.hold_upload(id, "two", time).await.expect("refused"));
    let stale = store.clock.clock().seconds() + 1;
    assert!(other.delete_stale_uploads(stale, vec![id]).await.expect("none").is_empty(), "it does not expire");
    store.clock.advance(Duration::from_secs(1));
    assert!(other.hold_upload(id, "two", time).await.expect("taken"), "the first one's time is over");
    store.give_back_upload(id, "one").await.expect("nothing");
    assert!(!store.hold_upload(id, "one", time).await.expect("refused"));
    other.give_back_upload(id, "two").await.expect("given back");
    assert!(store.hold_upload(id, "one", time).await.expect("taken"));
    assert!(!store.hold_upload(UploadId::generate(), "one", time).await.expect("unknown"));
}
