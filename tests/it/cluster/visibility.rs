//! What one node has acknowledged is what every other node says.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::server::ALICE_PASSWORD;
use crate::support::{Actor, Cluster, eventually, header};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A manifest that needs no blob.
fn index(number: usize) -> String {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": { "number": number.to_string() } })
        .to_string()
}

/// Pushes it to a repository under this tag; gives its digest.
async fn push_to(who: &Actor, repository: &str, tag: &str, number: usize) -> String {
    let pushed = who.put(&format!("/v2/{repository}/manifests/{tag}"), INDEX, index(number)).await;
    assert_eq!(pushed.status(), StatusCode::CREATED);
    header(&pushed, "docker-content-digest")
}

async fn push(who: &Actor, tag: &str, number: usize) -> String {
    push_to(who, "alice/app", tag, number).await
}

async fn digest(who: &Actor, reference: &str) -> Option<String> {
    digest_in(who, "alice/app", reference).await
}

async fn digest_in(who: &Actor, repository: &str, reference: &str) -> Option<String> {
    let found = who.get(&format!("/v2/{repository}/manifests/{reference}")).await;
    (found.status() == StatusCode::OK).then(|| header(&found, "docker-content-digest"))
}

#[tokio::test]
async fn a_tag_read_from_any_node_after_a_push_was_acknowledged_is_the_new_one() {
    const REPOSITORIES: usize = 4;
    const PAIRS: usize = 250;
    let cluster = Cluster::start(2).await;
    cluster.alice_everywhere();
    let pairs = (0..REPOSITORIES).map(async |repository| {
        let repository = format!("alice/app{repository}");
        let alice: Vec<Actor> = cluster.nodes().iter().map(|node| node.actor("alice", ALICE_PASSWORD)).collect();
        let mut stale = Vec::new();
        for number in 0..PAIRS {
            let (writer, reader) = (&alice[number % 2], &alice[1 - number % 2]);
            // Now the reader remembers the one before.
            digest_in(reader, &repository, "latest").await;
            let new = push_to(writer, &repository, "latest", number).await;
            let read = digest_in(reader, &repository, "latest").await;
            if read.as_ref() != Some(&new) {
                stale.push((number, read));
            }
        }
        stale
    });
    let stale: Vec<_> = join_all(pairs).await.into_iter().flatten().collect();
    assert!(stale.is_empty(), "{} of {}: {stale:?}", stale.len(), REPOSITORIES * PAIRS);
}

#[tokio::test]
async fn what_was_deleted_on_one_node_is_deleted_on_every_other() {
    let cluster = Cluster::start(2).await;
    let alice = cluster.alice_everywhere();
    for number in 0..50 {
        let (writer, reader) = (&alice[number % 2], &alice[1 - number % 2]);
        let pushed = push(writer, "old", number).await;
        assert_eq!(digest(reader, "old").await.as_ref(), Some(&pushed));
        assert!(digest(reader, &pushed).await.is_some());
        let gone = writer.delete("/v2/alice/app/manifests/old").await;
        assert_eq!(gone.status(), StatusCode::ACCEPTED);
        assert_eq!(digest(reader, "old").await, None, "{number}");
        let gone = writer.delete(&format!("/v2/alice/app/manifests/{pushed}")).await;
        assert_eq!(gone.status(), StatusCode::ACCEPTED);
        assert_eq!(digest(reader, &pushed).await, None, "{number}");
    }
    push(&alice[0], "last", 0).await;
    assert!(digest(&alice[1], "last").await.is_some());
    cluster.node(0).run(&["repo", "remove", "alice/app"]);
    for who in &alice {
        assert_eq!(digest(who, "last").await, None);
    }
}

#[tokio::test]
async fn rights_that_are_given_and_taken_count_on_every_node_within_a_second() {
    let cluster = Cluster::start(3).await;
    let alice = cluster.alice_everywhere();
    push(&cluster.admin_everywhere()[0], "v1", 1).await;
    cluster.node(0).add_user("bob", "the password of bob");
    let bob: Vec<Actor> = cluster.nodes().iter().map(|node| node.actor("bob", "the password of bob")).collect();
    let allowed = async |who: &Actor, token: &str| {
        let path = "/v2/alice/app/manifests/v1";
        who.with_token(Method::GET, path, token).send().await.expect("an answer").status() == StatusCode::OK
    };
    // A token of each node, which asks for more than there is at first, is not cut: rights are looked up at every use.
    cluster.node(0).run(&["grant", "add", "--to", "user:bob", "--on", "alice/app", "--allow", "pull"]);
    let token = bob[0].token(&["repository:alice/app:pull"]).await.expect("a token");
    let mut longest = Duration::ZERO;
    for round in 0..6 {
        let grants = round % 2 == 1;
        let verb: &[&str] = if grants { &["add"] } else { &["remove"] };
        let what = ["--to", "user:bob", "--on", "alice/app", "--allow", "pull"];
        let what = if grants { &what[..] } else { &what[..4] };
        cluster.node(round % 3).run(&[&["grant"], verb, what].concat());
        let since = Instant::now();
        for who in &bob {
            eventually("it counts", async || allowed(who, &token).await == grants).await;
        }
        longest = longest.max(since.elapsed());
    }
    // What is promised, with room for a machine that has far too much to do.
    assert!(longest < Duration::from_secs(5), "{longest:?}");

    let token = alice[1].token(&["repository:alice/app:pull"]).await.expect("a token");
    for who in &alice {
        assert!(allowed(who, &token).await, "a token of one node counts on every node");
    }
    cluster.node(2).run(&["user", "disable", "alice"]);
    for who in &alice {
        eventually("disabled", async || !allowed(who, &token).await).await;
        assert!(who.token(&[]).await.is_none());
    }
}

#[tokio::test]
async fn a_token_of_one_node_counts_at_once_on_another_also_right_after_a_change() {
    let cluster = Cluster::start(2).await;
    for number in 0..5 {
        let (name, password) = (format!("user{number}"), format!("the password of number {number}"));
        cluster.node(0).add_user(&name, &password);
        let on = |node: usize| cluster.node(node).actor(&name, &password);
        let token = on(0).token(&[]).await.expect("a token");
        let ping = on(1).with_token(Method::GET, "/v2/", &token).send().await.expect("an answer");
        assert_eq!(ping.status(), StatusCode::OK, "{number}");
    }
}
