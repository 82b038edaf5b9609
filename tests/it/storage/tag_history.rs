//! The contract of the history of tags, and of holds.

use std::time::Duration;

use portcullis::domain::{Digest, TagProtection};
use portcullis::storage::StorageError;
use portcullis::storage::metadata::{
    Cause, Change, Held, HistoryRecord, Metadata, Moment, NewManifest, RemovalOutcome, TagRestored,
};

use super::collection::{collect, image, push};
use super::content::{LEASE, at_once, blob, change, deletion, link, manifest, name, tag, tag_target};
use super::subject::{BEGIN, MetadataSubject};

metadata_contract! {
    a_tag_tells_what_it_pointed_to,
    a_tag_is_restored_to_a_moment,
    a_history_comes_in_pages,
    what_a_tag_pointed_to_may_be_gone,
    what_is_held_is_neither_deleted_nor_moved,
    what_a_held_tag_needs_is_held,
    nothing_of_a_held_repository_is_removed,
}

const KEEP: Duration = Duration::from_hours(24);
const HOUR: i64 = 3600;

async fn history(store: &dyn Metadata, repository: &str, text: Option<&str>) -> Vec<HistoryRecord> {
    let tag = text.map(tag);
    let mut all = store.tag_history(&name(repository), tag.as_ref(), None, 100).await.expect("read");
    all.extend(store.tag_targets(&name(repository), tag.as_ref(), None, 100).await.expect("read"));
    all
}

async fn restore(store: &dyn Metadata, repository: &str, text: &str, moment: Moment) -> TagRestored {
    let change = Change { by: "operator:root".to_owned(), cause: Cause::Restore, ..deletion(KEEP) };
    store.restore_tag(&name(repository), &tag(text), moment, &change).await.expect("done")
}

fn hour(store: &MetadataSubject) {
    store.clock.advance(Duration::from_hours(1));
}

/// Pushes three manifests to `v1`, an hour each, and deletes the tag an hour after.
async fn three(store: &MetadataSubject, repository: &str) -> [Digest; 3] {
    let mut pushed = Vec::new();
    for text in ["one", "two", "three"] {
        pushed.push(push(&**store, repository, manifest(text, &["v1"])).await);
        hour(store);
    }
    assert!(store.delete_tag(&name(repository), &tag("v1"), &deletion(KEEP)).await.expect("deleted"));
    pushed.try_into().expect("three")
}

async fn a_tag_tells_what_it_pointed_to(store: &MetadataSubject) {
    let [one, two, three] = three(store, "history").await;
    push(&**store, "history", manifest("one", &["v1", "other"])).await;
    hour(store);
    // The same again changes nothing.
    push(&**store, "history", manifest("one", &["v1"])).await;
    let told: Vec<_> = history(&**store, "history", Some("v1"))
        .await
        .into_iter()
        .map(|entry| {
            let by = entry.by.map(|(by, cause)| format!("{by} {cause}")).unwrap_or_default();
            let ended = entry.ended.map(|ended| (ended.at - BEGIN, format!("{} {}", ended.by, ended.cause)));
            (entry.digest, entry.from - BEGIN, by, ended)
        })
        .collect();
    let pushed = || "user:alice push".to_owned();
    let until = |at: i64, by: &str| Some((at, by.to_owned()));
    assert_eq!(
        told,
        [
            (one.clone(), 0, pushed(), until(HOUR, "user:alice push")),
            (two, HOUR, pushed(), until(2 * HOUR, "user:alice push")),
            (three, 2 * HOUR, pushed(), until(3 * HOUR, "user:bob delete")),
            (one, 3 * HOUR, pushed(), None),
        ]
    );
    assert_eq!(history(&**store, "history", None).await.len(), 5);
    assert_eq!(history(&**store, "history", Some("v")).await, [], "a name that begins as others do");
    let forgotten = store.forget_history(BEGIN + 2 * HOUR + 1, 10).await.expect("forgotten");
    assert_eq!((forgotten, history(&**store, "history", Some("v1")).await.len()), (2, 2));
}

async fn a_tag_is_restored_to_a_moment(store: &MetadataSubject) {
    let [one, two, three] = three(store, "moments").await;
    let moved = |to: &Digest, from: Option<&Digest>| TagRestored::Moved { to: to.clone(), from: from.cloned() };
    assert_eq!(restore(&**store, "moments", "v1", Moment::Deleted).await, moved(&three, None));
    assert_eq!(store.trash(0, 10).await.expect("read"), [], "it is not in the trash as well");
    assert_eq!(restore(&**store, "moments", "v1", Moment::Deleted).await, TagRestored::Exists(three.clone()));
    hour(store);
    assert_eq!(restore(&**store, "moments", "v1", Moment::Previous).await, moved(&two, Some(&three)));
    assert_eq!(restore(&**store, "moments", "v1", Moment::Previous).await, moved(&three, Some(&two)));
    for (time, digest) in [(0, &one), (HOUR - 1, &one), (HOUR, &two), (2 * HOUR, &three)] {
        restore(&**store, "moments", "v1", Moment::At(BEGIN + time)).await;
        assert_eq!(tag_target(&**store, "moments", "v1").await.as_ref(), Some(digest), "{time}");
    }
    let now = BEGIN + 100 * HOUR;
    assert_eq!(restore(&**store, "moments", "v1", Moment::At(now)).await, TagRestored::Unchanged(three.clone()));
    assert_eq!(restore(&**store, "moments", "v1", Moment::At(BEGIN - 1)).await, TagRestored::NothingThen);
    assert_eq!(restore(&**store, "moments", "v2", Moment::Previous).await, TagRestored::NothingThen);
    assert_eq!(restore(&**store, "nowhere", "v1", Moment::Previous).await, TagRestored::UnknownRepository);
    let last = history(&**store, "moments", Some("v1")).await.pop().expect("an entry");
    assert_eq!(last.by, Some(("operator:root".to_owned(), "restore".to_owned())));
    // A manifest that was deleted comes out of the trash.
    assert!(store.delete_manifest(&name("moments"), &one, &deletion(KEEP)).await.expect("deleted"));
    assert_eq!(restore(&**store, "moments", "v1", Moment::At(BEGIN)).await, moved(&one, Some(&three)));
    assert!(store.manifest(&name("moments"), &one).await.expect("read").is_some());
}

async fn a_history_comes_in_pages(store: &MetadataSubject) {
    for number in 0..5 {
        push(&**store, "pages", manifest(&format!("image {number}"), &["a", "b", "c"])).await;
    }
    let whole = store.tag_history(&name("pages"), None, None, 100).await.expect("read");
    let mut paged: Vec<HistoryRecord> = Vec::new();
    loop {
        let page = store.tag_history(&name("pages"), None, paged.last(), 5).await.expect("read");
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!((whole.len(), &paged), (12, &whole));
    let first = store.tag_targets(&name("pages"), None, None, 1).await.expect("read");
    let rest = store.tag_targets(&name("pages"), None, first.last(), 5).await.expect("read");
    let tags: Vec<&str> = first.iter().chain(&rest).map(|entry| entry.tag.as_str()).collect();
    assert_eq!(tags, ["a", "b", "c"]);
}

async fn what_a_tag_pointed_to_may_be_gone(store: &MetadataSubject) {
    let one = push(&**store, "gone", manifest("one", &["v1"])).await;
    push(&**store, "gone", manifest("two", &["v1"])).await;
    collect(&**store).await;
    assert_eq!(restore(&**store, "gone", "v1", Moment::Previous).await, TagRestored::ContentGone(one));
}

async fn hold(store: &dyn Metadata, repository: &str, text: Option<&str>) -> bool {
    let held = Held { repository: name(repository), tag: text.map(tag), reason: "case 7".to_owned() };
    store.hold(held, &change()).await.expect("held")
}

fn is_held<T: std::fmt::Debug>(outcome: Result<T, StorageError>) -> bool {
    match outcome {
        Err(StorageError::Held(held)) => held.reason == "case 7" && held.to_string().contains("case 7"),
        other => panic!("{other:?}"),
    }
}

async fn what_is_held_is_neither_deleted_nor_moved(store: &MetadataSubject) {
    let repository = name("held");
    assert!(!hold(&**store, "held", None).await && !hold(&**store, "held", Some("v1")).await, "nothing is there");
    let one = push(&**store, "held", manifest("one", &["v1", "free"])).await;
    assert!(!hold(&**store, "held", Some("v2")).await && hold(&**store, "held", Some("v1")).await);
    assert!(is_held(store.delete_tag(&repository, &tag("v1"), &at_once()).await));
    assert!(is_held(store.delete_manifest(&repository, &one, &deletion(KEEP)).await));
    assert!(is_held(store.remove_repository(&repository, &deletion(KEEP)).await));
    assert!(is_held(store.put_manifest(&repository, manifest("two", &["free", "v1"]), LEASE, &change()).await));
    assert_eq!(tag_target(&**store, "held", "free").await, Some(one.clone()), "nothing of that was done");
    assert!(store.manifest(&repository, &super::content::sha256(b"two")).await.expect("read").is_none());
    push(&**store, "held", manifest("one", &["v1"])).await;
    assert!(store.delete_tag(&repository, &tag("free"), &at_once()).await.expect("deleted"), "another tag");
    let holds = store.holds_of(&repository).await.expect("read");
    assert_eq!((holds.len(), holds[0].held.name().as_str(), holds[0].created_at), (1, "held:v1", BEGIN));
    assert!(store.release(&repository, Some(&tag("v1"))).await.expect("released"));
    assert!(!store.release(&repository, Some(&tag("v1"))).await.expect("done"));
    assert!(store.delete_manifest(&repository, &one, &at_once()).await.expect("deleted"));
}

async fn what_a_held_tag_needs_is_held(store: &MetadataSubject) {
    let (repository, layer) = (name("needs"), blob(61, 10));
    link(&**store, "needs", &layer).await;
    link(&**store, "needs", &blob(62, 10)).await;
    let child = push(&**store, "needs", image("child", &[&layer], &[])).await;
    let inner = push(&**store, "needs", NewManifest { children: vec![child.clone()], ..manifest("inner", &[]) }).await;
    push(&**store, "needs", NewManifest { children: vec![inner], ..manifest("index", &["v1"]) }).await;
    assert!(hold(&**store, "needs", Some("v1")).await);
    assert!(is_held(store.delete_manifest(&repository, &child, &deletion(KEEP)).await));
    assert!(is_held(store.unlink_blob(&repository, &layer.digest, &TagProtection::default()).await));
    assert!(
        store.unlink_blob(&repository, &blob(62, 10).digest, &TagProtection::default()).await.expect("unlinked"),
        "no image has it"
    );
}

async fn nothing_of_a_held_repository_is_removed(store: &MetadataSubject) {
    let repository = name("stopped");
    let one = push(&**store, "stopped", manifest("one", &["v1", "v2"])).await;
    store.delete_tag(&repository, &tag("v2"), &deletion(KEEP)).await.expect("deleted");
    assert!(hold(&**store, "stopped", None).await);
    push(&**store, "stopped", manifest("two", &["v1"])).await;
    assert!(is_held(store.delete_tag(&repository, &tag("v1"), &at_once()).await));
    store.clock.advance(2 * KEEP);
    let [entry] = store.due_trash(10).await.expect("read").try_into().expect("one");
    assert_eq!(store.remove_trash(entry).await.expect("done"), RemovalOutcome::Held);
    assert!(store.due_trash(10).await.expect("read").is_empty(), "not at once again");
    collect(&**store).await;
    assert!(store.manifest(&repository, &one).await.expect("read").is_some());
    assert!(store.release(&repository, None).await.expect("released"));
    store.clock.advance(2 * KEEP);
    assert_eq!(store.remove_trash(entry).await.expect("done"), RemovalOutcome::Removed);
    collect(&**store).await;
    assert!(store.manifest(&repository, &one).await.expect("read").is_none());
}
