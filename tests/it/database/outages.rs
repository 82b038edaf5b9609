//! The database goes away, hangs, restarts, breaks connections, or turns read-only: requests that need it are told so at once and in
//! the protocol's words, nothing acknowledged is lost, and everything works again as soon as it is back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;

use super::{assert_kept, behind_a_proxy, push_until, registry};
use crate::support::fault_proxy::Fault;
use crate::support::server::ALICE_PASSWORD;
use crate::support::{Actor, Image, Server, eventually, header, postgres};

/// How soon everything works again once the database is back.
const SOON: Duration = Duration::from_secs(5);

/// 503 with a time to come back, in the protocol's form.
async fn assert_away(response: reqwest::Response) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds: u64 = header(&response, "retry-after").parse().expect("a number");
    assert!((4..=6).contains(&seconds), "{seconds}");
    let body: serde_json::Value = response.json().await.expect("JSON");
    assert_eq!(body["errors"][0]["code"], "UNAVAILABLE");
}

async fn assert_back_soon(alice: &Actor) {
    let since = Instant::now();
    eventually("it serves", async || alice.get("/v2/alice/app/manifests/v1").await.status() == StatusCode::OK).await;
    Image::of("after").push(alice, "alice/app", "after").await;
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

#[tokio::test]
async fn tokens_continue_while_the_database_is_away_and_the_rest_is_told_when_to_come_back() {
    let (proxy, url, _) = behind_a_proxy();
    let (server, alice) = registry(&url, "").await;
    Image::of("one").push(&alice, "alice/app", "v1").await;
    let ready = async || server.anonymous().get("/health/ready").await.status() == StatusCode::OK;
    assert!(ready().await);
    proxy.set(Fault::Cut);
    let away_since = Instant::now();
    assert_eq!(alice.get("/v2/").await.status(), StatusCode::OK, "the token is good");
    // What was read a moment ago may still be served; not for long.
    eventually("it cannot be compared", async || alice.get("/v2/alice/app/manifests/v1").await.status() != 200).await;
    assert_away(alice.get("/v2/alice/app/manifests/v1").await).await;
    assert_away(alice.post("/v2/alice/app/blobs/uploads/").await).await;
    assert_away(alice.get("/v2/alice/app/tags/list").await).await;
    assert!(ready().await, "a node is not taken out of service for a moment's outage");
    eventually("it is not ready", async || !ready().await).await;
    assert!(away_since.elapsed() > Duration::from_secs(9), "{:?}", away_since.elapsed());
    proxy.set(Fault::None);
    assert_back_soon(&alice).await;
    eventually("it is ready", async || ready().await).await;
}

#[tokio::test]
async fn a_database_that_hangs_holds_no_request_for_long() {
    let (proxy, url, _) = behind_a_proxy();
    let (_server, alice) = registry(&url, "").await;
    Image::of("one").push(&alice, "alice/app", "v1").await;
    proxy.set(Fault::Stalled);
    let since = Instant::now();
    let many = (0..40).map(|_| async { alice.get("/v2/alice/app/manifests/v1").await.status() });
    let statuses = futures_util::future::join_all(many).await;
    assert!(statuses.iter().all(|status| [200, 503].contains(&status.as_u16())), "{statuses:?}");
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    proxy.set(Fault::None);
    assert_back_soon(&alice).await;
}

/// Three clients push while `disturb` runs; what they were told to be stored is there.
pub(super) async fn pushes_survive(server: &Server, disturb: impl AsyncFnOnce()) {
    let done = AtomicBool::new(false);
    let disturbed = async {
        disturb().await;
        done.store(true, Ordering::Relaxed);
    };
    let push = async |alice: &Actor, repository: &str| {
        let (acknowledged, failures) = push_until(alice, repository, || done.load(Ordering::Relaxed)).await;
        assert!(failures.iter().all(|status| *status == 503), "{failures:?}");
        assert_kept(alice, repository, &acknowledged).await;
    };
    // Each with a token of its own, which outlives what follows.
    let [one, two, three] = [(); 3].map(|()| server.actor("alice", ALICE_PASSWORD));
    for (alice, repository) in [(&one, "alice/one"), (&two, "alice/two"), (&three, "alice/three")] {
        Image::of("first").push(alice, repository, "first").await;
    }
    tokio::join!(disturbed, push(&one, "alice/one"), push(&two, "alice/two"), push(&three, "alice/three"));
}

#[tokio::test]
async fn connections_that_are_cut_and_delayed_lose_nothing() {
    let (proxy, url, _) = behind_a_proxy();
    let (server, _) = registry(&url, "").await;
    pushes_survive(&server, async || {
        for round in 0..24 {
            proxy.set(if round % 3 == 0 { Fault::Delay(Duration::from_millis(5)) } else { Fault::None });
            tokio::time::sleep(Duration::from_millis(120)).await;
            proxy.cut_once().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_restarts_under_load_loses_nothing() {
    let database = postgres::Server::own();
    let (server, alice) = registry(&database.database(), "").await;
    Image::of("one").push(&alice, "alice/app", "v1").await;
    pushes_survive(&server, async || {
        database.stop();
        tokio::time::sleep(Duration::from_millis(300)).await;
        database.start_again();
        assert_back_soon(&alice).await;
        database.crash();
        database.start_again();
        assert_back_soon(&alice).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_only_reads_since_a_failover_is_left_for_another_connection() {
    let url = postgres::database();
    let (_server, alice) = registry(&url, "").await;
    Image::of("one").push(&alice, "alice/app", "v1").await;
    let mut database = postgres::connect(&url).await;
    let turn = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$";
    sqlx::raw_sql(turn).execute(&mut database).await.expect("turned");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::raw_sql(end).execute(&mut database).await.expect("ended");
    assert_away(alice.post("/v2/alice/app/blobs/uploads/").await).await;
    assert_eq!(alice.get("/v2/alice/app/manifests/v1").await.status(), StatusCode::OK, "reads continue");
    // A push that begins now waits for the server that writes.
    let image = Image::of("two");
    let push = image.push(&alice, "alice/app", "v2");
    let back = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let turn = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$";
        sqlx::raw_sql(turn).execute(&mut database).await.expect("turned back");
    };
    tokio::join!(push, back);
    assert_back_soon(&alice).await;
}
