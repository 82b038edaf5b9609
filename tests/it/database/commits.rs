//! The answer to a commit is lost: what was stored is reported as stored, what was not is stored by another try, and nothing is done twice.

use reqwest::{Method, StatusCode};
use sqlx::Row;

use super::{behind_a_proxy, registry};
use crate::support::fault_proxy::Fault;
use crate::support::{Image, postgres};

/// Three wrong passwords are three, not fewer and not more.
async fn wrong_passwords_are_counted_once(fault: Fault) {
    let (proxy, url, direct) = behind_a_proxy();
    let (server, _) = registry(&url, "").await;
    proxy.set(fault);
    let guesser = server.actor("alice", "not her password");
    for _ in 0..3 {
        let answer = guesser.basic(Method::GET, "/auth/token").send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert!(proxy.struck() >= 3, "{fault:?} struck {} times", proxy.struck());
    let mut database = postgres::connect(&direct).await;
    let row = sqlx::query("SELECT failed_in_row FROM users WHERE name = 'alice'").fetch_one(&mut database).await;
    assert_eq!(row.expect("alice").get::<i64, _>(0), 3);
}

#[tokio::test]
async fn what_was_committed_is_acknowledged_though_its_answer_was_lost() {
    wrong_passwords_are_counted_once(Fault::LoseAnswer("COMMIT")).await;
}

#[tokio::test]
async fn what_was_rolled_back_is_run_again() {
    wrong_passwords_are_counted_once(Fault::LoseRequest("COMMIT")).await;
}

#[tokio::test]
async fn a_push_succeeds_while_every_answer_to_a_commit_is_lost() {
    let (proxy, url, _) = behind_a_proxy();
    let (_server, alice) = registry(&url, "").await;
    proxy.set(Fault::LoseAnswer("COMMIT"));
    Image::of("one").push(&alice, "alice/app", "v1").await;
    assert!(proxy.struck() >= 5, "each step commits: {}", proxy.struck());
    assert_eq!(alice.get("/v2/alice/app/manifests/v1").await.status(), StatusCode::OK);
}
