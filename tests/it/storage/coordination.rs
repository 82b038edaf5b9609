//! The contract of what nodes agree on: versions grow in the transaction of each change, and every handle sees them; a lease has one holder
//! at a time; nodes are seen, and forgotten.

use std::time::Duration;

use portcullis::domain::{Network, TagProtection};
use portcullis::storage::StorageError;
use portcullis::storage::coordination::{AddressFailures, Lease, NodeRecord, SharedSource, under};
use portcullis::storage::metadata::{Metadata, NewManifest, NewUser};

use super::content::{LEASE, at_once, blob, link, manifest, name, put, sha256, tag};
use super::subject::{BEGIN, MetadataSubject};
use super::uploads::upload;

metadata_contract! {
    every_change_of_what_can_be_read_raises_the_generation,
    a_generation_never_comes_back,
    a_node_sees_what_another_writes,
    a_node_sees_that_another_has_changed_policy,
    a_lease_has_one_holder_until_it_runs_out_or_is_given_back,
    of_many_who_take_a_lease_at_once_one_has_it,
    what_is_written_under_a_lease_is_refused_once_another_has_it,
    a_node_is_seen_while_it_says_that_it_is_there,
    what_a_node_tells_of_logins_is_read_by_the_others_for_a_while,
}

async fn generation(store: &dyn Metadata, repository: &str) -> Option<i64> {
    store.generation(&name(repository)).await.expect("read")
}

async fn every_change_of_what_can_be_read_raises_the_generation(store: &MetadataSubject) {
    let (repository, blob, other) = (name("changes"), blob(30, 10), blob(33, 10));
    assert_eq!(generation(&**store, "changes").await, None);
    put(&**store, "changes", manifest("nothing", &[])).await;
    let mut last = generation(&**store, "changes").await.expect("exists");
    let mut has_grown = async |what: &str, grows: bool| {
        let now = generation(&**store, "changes").await.expect("exists");
        assert_eq!(now > last, grows, "{what}: {last}, then {now}");
        last = now;
    };
    link(&**store, "changes", &blob).await;
    has_grown("a blob is linked", true).await;
    link(&**store, "changes", &blob).await;
    has_grown("it is linked already", false).await;
    link(&**store, "changes/source", &other).await;
    assert!(store.mount_blob(&name("changes/source"), &repository, &other.digest, LEASE).await.expect("mounted"));
    has_grown("a blob is mounted", true).await;
    assert!(store.create_upload(upload("changes", "user:a"), 1000).await.expect("stored"));
    has_grown("an upload begins, which no one else can read", false).await;
    put(&**store, "changes", manifest("one", &["v1"])).await;
    has_grown("a manifest is put", true).await;
    let read = store.manifest_by_tag(&repository, &tag("v1")).await.expect("read").expect("exists");
    assert_eq!(Some(read.generation), generation(&**store, "changes").await);
    put(&**store, "changes", NewManifest { blobs: vec![sha256(b"absent")], ..manifest("two", &["v1"]) }).await;
    has_grown("a put is refused", false).await;
    assert!(store.delete_tag(&repository, &tag("v1"), &at_once()).await.expect("deleted"));
    has_grown("a tag is deleted", true).await;
    assert!(!store.delete_tag(&repository, &tag("v1"), &at_once()).await.expect("gone"));
    has_grown("nothing is deleted", false).await;
    assert!(store.delete_manifest(&repository, &sha256(b"one"), &at_once()).await.expect("deleted"));
    has_grown("a manifest is deleted", true).await;
    assert!(store.unlink_blob(&repository, &blob.digest, &TagProtection::default()).await.expect("unlinked"));
    has_grown("a blob is unlinked", true).await;
}

async fn a_generation_never_comes_back(store: &MetadataSubject) {
    let mut last = 0;
    for round in 0..3 {
        put(&**store, "again", manifest("the same", &["v1"])).await;
        // Others come and go in between.
        put(&**store, &format!("again/{round}"), manifest("another", &["v1"])).await;
        let now = generation(&**store, "again").await.expect("exists");
        assert!(now > last, "{last}, then {now}");
        last = now;
        assert!(store.remove_repository(&name("again"), &at_once()).await.expect("removed"));
        assert!(!store.remove_repository(&name("again"), &at_once()).await.expect("gone"));
        assert_eq!(generation(&**store, "again").await, None);
    }
}

async fn a_node_sees_what_another_writes(store: &MetadataSubject) {
    let (other, repository) = (store.other().await, name("shared"));
    put(&**store, "shared", manifest("one", &["v1"])).await;
    let seen = other.manifest_by_tag(&repository, &tag("v1")).await.expect("read").expect("there");
    assert_eq!(generation(&*other, "shared").await, Some(seen.generation));
    put(&**store, "shared", manifest("two", &["v1"])).await;
    assert!(generation(&*other, "shared").await > Some(seen.generation), "what was remembered does not hold any more");
    assert!(store.remove_repository(&repository, &at_once()).await.expect("removed"));
    assert_eq!(generation(&*other, "shared").await, None);
    put(&*other, "shared", manifest("one", &["v1"])).await;
    assert!(generation(&**store, "shared").await > Some(seen.generation), "not even where the same comes again");
}

async fn a_node_sees_that_another_has_changed_policy(store: &MetadataSubject) {
    let other = store.other().await;
    let before = other.policy_version().await.expect("read");
    let user = NewUser { name: "nora".parse().expect("a name"), password_hash: "x".to_owned(), admin: false };
    store.add_user(user, true).await.expect("added");
    let after = other.policy_version().await.expect("read");
    assert!(after > before);
    put(&**store, "policy", manifest("one", &["v1"])).await;
    assert_eq!(other.policy_version().await.expect("read"), after, "a push changes nothing in policy");
}

const TIME: Duration = Duration::from_secs(15);

async fn taken(store: &dyn Metadata, holder: &str) -> Option<Lease> {
    store.take_lease("work", holder, TIME).await.expect("asked")
}

async fn a_lease_has_one_holder_until_it_runs_out_or_is_given_back(store: &MetadataSubject) {
    let other = store.other().await;
    let first = taken(&**store, "a").await.expect("free");
    assert_eq!((first.holder.as_str(), first.token, first.until), ("a", 1, (BEGIN + 15) * 1000));
    assert_eq!(taken(&*other, "b").await, None);
    assert!(other.take_lease("other work", "b", TIME).await.expect("asked").is_some());
    store.clock.advance(TIME / 2);
    let renewed = store.renew_lease(&first, TIME).await.expect("asked").expect("held");
    assert_eq!((renewed.token, renewed.until), (1, first.until + 7500));
    store.clock.advance(Duration::from_millis(14_999));
    assert_eq!(taken(&*other, "b").await, None);
    store.clock.advance(Duration::from_millis(1));
    let second = taken(&*other, "b").await.expect("it ran out");
    assert_eq!(second.token, 2);
    assert_eq!(store.renew_lease(&renewed, TIME).await.expect("asked"), None, "it was taken by another");
    assert!(!store.release_lease(&renewed).await.expect("asked"));
    assert!(other.release_lease(&second).await.expect("asked"));
    assert_eq!(other.renew_lease(&second, TIME).await.expect("asked"), None, "it was given back");
    let third = taken(&**store, "a").await.expect("given back");
    assert_eq!(taken(&**store, "a").await.expect("its own").token, third.token + 1, "the one before is superseded");
    store.clock.advance(TIME * 9);
    let late = store.leases().await.expect("read").into_iter().find(|lease| lease.name == "work").expect("kept");
    assert!(store.renew_lease(&late, TIME).await.expect("asked").is_some(), "no one has taken it meanwhile");
}

async fn of_many_who_take_a_lease_at_once_one_has_it(store: &MetadataSubject) {
    let other = store.other().await;
    for round in 0..10 {
        let tries = (0..8).map(|n| {
            let (store, holder) = (if n % 2 == 0 { &**store } else { &*other }, format!("node {n}"));
            async move { store.take_lease("work", &holder, TIME).await.expect("asked") }
        });
        let won: Vec<Lease> = futures_util::future::join_all(tries).await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(won[0].token, round + 1);
        store.clock.advance(TIME);
    }
}

async fn what_is_written_under_a_lease_is_refused_once_another_has_it(store: &MetadataSubject) {
    let other = store.other().await;
    let add = async |store: &dyn Metadata, lease: &Lease, user: &str| {
        let user = NewUser { name: user.parse().expect("a name"), password_hash: "x".to_owned(), admin: false };
        under(lease.clone(), store.add_user(user, true)).await.map(drop)
    };
    let first = taken(&**store, "a").await.expect("free");
    add(&**store, &first, "one").await.expect("held");
    store.clock.advance(TIME * 2);
    add(&**store, &first, "two").await.expect("no one has taken it");
    let second = taken(&*other, "b").await.expect("it ran out");
    let refused = add(&**store, &first, "three").await;
    assert!(matches!(&refused, Err(StorageError::Superseded(name)) if name == "work"), "{refused:?}");
    add(&*other, &second, "four").await.expect("held");
    assert!(other.release_lease(&second).await.expect("asked"));
    assert!(add(&*other, &second, "five").await.is_err(), "it was given back");
    let users: Vec<String> = store.users().await.expect("read").into_iter().map(|user| user.name.to_string()).collect();
    assert_eq!(users, ["four", "one", "two"]);
}

fn node(id: &str, address: &str) -> NodeRecord {
    let settings = [("delete.enabled", "true"), ("server.notice", "\"it's \u{e9}\"")];
    NodeRecord {
        id: id.to_owned(),
        version: "0.1.0".to_owned(),
        address: address.to_owned(),
        started_at: BEGIN,
        seen_at: BEGIN,
        leaving: false,
        clock_ahead: -300_000,
        settings: settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    }
}

async fn a_node_is_seen_while_it_says_that_it_is_there(store: &MetadataSubject) {
    let other = store.other().await;
    let (a, b) = (node("a", "one:5000"), node("b", "two:5000"));
    store.beat(&a).await.expect("written");
    store.clock.advance(Duration::from_secs(5));
    other.beat(&b).await.expect("written");
    let later = BEGIN + 5;
    let seen = NodeRecord { seen_at: later, ..b.clone() };
    assert_eq!(store.nodes().await.expect("read"), [a.clone(), seen]);
    let settings = [("delete.enabled".to_owned(), "false".to_owned())];
    let leaving = NodeRecord { leaving: true, clock_ahead: 2, settings: settings.into(), ..a.clone() };
    store.beat(&leaving).await.expect("written");
    let seen = store.nodes().await.expect("read").remove(0);
    assert_eq!((seen.leaving, seen.clock_ahead, seen.seen_at), (true, 2, later));
    assert_eq!(seen.settings, leaving.settings, "what is in files may have changed");
    store.remove_node("a").await.expect("removed");
    assert_eq!(store.nodes().await.expect("read").len(), 1);

    // A node that died is remembered for a while, unless another has taken its place.
    store.clock.advance(Duration::from_mins(30));
    store.beat(&a).await.expect("written");
    let ids = async || store.nodes().await.expect("read").into_iter().map(|node| node.id).collect::<Vec<_>>();
    assert_eq!(ids().await, ["a", "b"]);
    other.beat(&node("c", "two:5000")).await.expect("written");
    assert_eq!(ids().await, ["a", "c"]);
    store.clock.advance(Duration::from_mins(61));
    store.beat(&node("d", "three:5000")).await.expect("written");
    assert_eq!(ids().await, ["d"]);
}

async fn what_a_node_tells_of_logins_is_read_by_the_others_for_a_while(store: &MetadataSubject) {
    let other = store.other().await;
    let (here, there): (Network, Network) =
        ("192.0.2.1".parse().expect("a network"), "2001:db8:1:2::/64".parse().expect("a network"));
    let source = |byte, network| SharedSource { name_hash: [byte; 32], network };
    store.share_logins("a", vec![(there, 1), (here, 3)], vec![source(1, there), source(2, here)]).await.expect("told");
    store.share_logins("a", vec![(here, 2)], vec![source(1, there)]).await.expect("told");
    other.share_logins("b", vec![(here, 7)], Vec::new()).await.expect("told");
    let mut told = other.address_failures_of_others("b", BEGIN).await.expect("read");
    told.sort_by_key(|told| told.network);
    let row = |network, failures| AddressFailures { second: BEGIN, network, node: "a".to_owned(), failures };
    assert_eq!(told, [row(here, 5), row(there, 1)]);
    let mut sources = other.shared_sources(BEGIN, 10).await.expect("read");
    sources.sort_by_key(|source| source.name_hash);
    assert_eq!(sources, [source(1, there), source(2, here)]);
    assert_eq!(other.shared_sources(BEGIN, 1).await.expect("read").len(), 1);
    store.clock.advance(Duration::from_secs(1));
    assert!(other.address_failures_of_others("b", BEGIN + 1).await.expect("read").is_empty());
    assert!(other.shared_sources(BEGIN + 1, 10).await.expect("read").is_empty());

    store.clock.advance(Duration::from_mins(5));
    other.share_logins("b", Vec::new(), vec![source(2, here)]).await.expect("told");
    assert!(other.address_failures_of_others("b", 0).await.expect("read").is_empty(), "it is old");
    store.clock.advance(Duration::from_hours(24));
    other.share_logins("b", Vec::new(), Vec::new()).await.expect("told");
    assert_eq!(store.shared_sources(0, 10).await.expect("read"), [source(2, here)]);
}
