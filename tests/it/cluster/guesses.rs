//! Wrong passwords that are spread over the nodes count together.

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};

use crate::support::{Actor, Cluster, Server};

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
