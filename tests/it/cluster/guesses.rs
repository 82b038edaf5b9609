//! Wrong passwords that are spread over the nodes count together.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};

use sqlx::Row;

use crate::support::server::ALICE_PASSWORD;
use crate::support::{Actor, Cluster, Server, eventually, postgres};

async fn guess(who: &Actor, name: &str, password: &str) -> StatusCode {
    let request = who.bare(Method::GET, "/auth/token").basic_auth(name, Some(password));
    request.send().await.expect("an answer").status()
}

/// Someone at this address of this machine, on each node.
fn everywhere(cluster: &Cluster, address: [u8; 4]) -> Vec<Actor> {
    cluster.nodes().iter().map(|node: &Server| node.actor_at(address, "x", "x")).collect()
}

fn verified(answers: &[StatusCode]) -> usize {
    answers.iter().filter(|status| **status == StatusCode::UNAUTHORIZED).count()
}

#[tokio::test]
async fn guesses_of_one_name_on_all_nodes_at_once_are_as_many_as_on_one() {
    let limits = "[auth]\nfailures_per_address = 0\nfailures_per_account = 10\n";
    let cluster = Cluster::start_with(3, limits).await;
    cluster.alice_everywhere();
    let people = everywhere(&cluster, [127, 0, 0, 2]);
    for name in ["alice", "unknown"] {
        let guesses: Vec<String> = (0..36).map(|number| format!("guess {number}")).collect();
        let tries = guesses.iter().enumerate().map(|(number, password)| guess(&people[number % 3], name, password));
        let verified = verified(&join_all(tries).await);
        // One password of a name is verified at a time on each node.
        assert!((10..=12).contains(&verified), "{name}: {verified}");
    }
}

#[tokio::test]
async fn an_address_that_is_limited_on_one_node_is_limited_on_every_other() {
    let cluster = Cluster::start(3).await;
    let people = everywhere(&cluster, [127, 0, 0, 2]);
    for number in 0..10 {
        assert_eq!(guess(&people[0], &format!("unknown{number}"), "a guess").await, StatusCode::UNAUTHORIZED);
    }
    for who in &people {
        // Fewer than would limit it by themselves.
        let mut tries = 0..9;
        while guess(who, "unknown", &format!("guess {}", tries.start)).await == StatusCode::UNAUTHORIZED {
            assert!(tries.next().is_some(), "it only counts what it sees itself");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    let elsewhere = everywhere(&cluster, [127, 0, 0, 3]);
    for who in &elsewhere {
        assert_eq!(guess(who, "unknown of another", "a guess").await, StatusCode::UNAUTHORIZED, "no one else is");
    }
}

/// Those who guess lock the user out everywhere, but not where the user has logged in before, by whichever node.
#[tokio::test]
async fn someone_who_is_known_to_one_node_keeps_working_on_every_other_during_an_attack() {
    let limits = "[auth]\nfailures_per_address = 0\nfailures_per_account = 5\n";
    let cluster = Cluster::start_with(2, limits).await;
    let alice = cluster.alice_everywhere();
    assert!(alice[0].token(&[]).await.is_some());
    let told = "SELECT COUNT(*) FROM known_sources";
    let mut database = postgres::connect(cluster.url()).await;
    eventually("the other node can know", async || {
        sqlx::query(told).fetch_one(&mut database).await.expect("asked").get::<i64, _>(0) == 1
    })
    .await;
    let people = everywhere(&cluster, [127, 0, 0, 2]);
    for number in 0..5 {
        assert_eq!(guess(&people[1], "alice", &format!("guess {number}")).await, StatusCode::UNAUTHORIZED);
    }
    for who in &people {
        assert_eq!(guess(who, "alice", ALICE_PASSWORD).await, StatusCode::TOO_MANY_REQUESTS, "a new address");
    }
    eventually("at the address of before", async || alice[1].token(&[]).await.is_some()).await;
    // Few guesses are possible there.
    let guesser = cluster.node(0).actor_at([127, 0, 0, 2], "x", "x");
    let answers = join_all((0..20).map(|number| {
        let guesser = &guesser;
        async move { guess(guesser, "alice", &format!("more {number}")).await }
    }));
    assert_eq!(verified(&answers.await), 0);
}
