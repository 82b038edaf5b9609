//! Machines whose dates are five minutes wrong, in both directions.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sqlx::Row;

use crate::support::{Cluster, eventually, postgres};

const JOB: &str = "rotate-keys";
/// In seconds: what may pass between two readings here.
const TOLERANCE: i64 = 10;

/// A library of Debian's `faketime` that gives one process another date.
fn other_date() -> String {
    let found = glob::glob("/usr/lib/*/faketime/libfaketime.so.1").expect("a pattern").find_map(Result::ok);
    found.expect("libfaketime is missing: apt-get install faketime").display().to_string()
}

fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a payload")).expect("base64");
    serde_json::from_slice(&payload).expect("JSON")
}

#[tokio::test]
async fn five_minutes_change_no_lease_no_token_and_no_count_of_wrong_passwords() {
    let mut cluster = Cluster::absent(&[""; 3]);
    for (number, offset) in [(1, "-300"), (2, "+300")] {
        let node = cluster.node_mut(number);
        node.set_variable("LD_PRELOAD", &other_date());
        node.set_variable("FAKETIME", offset);
        node.set_variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    cluster.spawn().await;
    let alice = cluster.alice_everywhere();
    eventually("a node runs the job", async || cluster.lease_by(0, JOB).is_some()).await;
    let status = cluster.status_by(0);
    let mut ahead: Vec<i64> = status["nodes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|node| node["clock_ahead_ms"].as_i64().expect("a number"))
        .collect();
    ahead.sort_unstable();
    for (ahead, expected) in ahead.iter().zip([-300_000, 0, 300_000]) {
        assert!((ahead - expected).abs() < 5_000, "{status}");
    }
    let lease = cluster.lease_by(0, JOB).expect("held");

    let mut database = postgres::connect(cluster.url()).await;
    let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS BIGINT)";
    for (number, issuer) in alice.iter().enumerate() {
        let token = issuer.token(&[]).await.expect("a token");
        let now: i64 = sqlx::query(now).fetch_one(&mut database).await.expect("asked").get(0);
        let issued = claims(&token)["iat"].as_i64().expect("a number");
        assert!((issued - now).abs() <= TOLERANCE, "node {number}: {issued}, {now}");
        for verifier in &alice {
            let ping = verifier.with_token(Method::GET, "/v2/", &token).send().await.expect("an answer");
            assert_eq!(ping.status(), StatusCode::OK, "issued by node {number}");
        }
        let guess = issuer.bare(Method::GET, "/auth/token").basic_auth("alice", Some("a guess")).send().await;
        assert_eq!(guess.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    }
    let failed = "SELECT failed_at FROM users WHERE name = 'alice'";
    let failed: String = sqlx::query(failed).fetch_one(&mut database).await.expect("asked").get(0);
    let failed: Vec<i64> = serde_json::from_str(&failed).expect("a list");
    let now: i64 = sqlx::query(now).fetch_one(&mut database).await.expect("asked").get(0);
    assert!(failed.len() == 3 && failed.iter().all(|at| (at - now).abs() <= 4 * TOLERANCE), "{failed:?}, {now}");

    // For longer than a lease lasts, each looks at it several times.
    let begin: i64 = now;
    eventually("the lease was renewed and never taken", async || {
        let row = "SELECT holder, token, until, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now
            FROM leases WHERE name = 'rotate-keys'";
        let row = sqlx::query(row).fetch_one(&mut database).await.expect("held");
        assert_eq!(row.get::<String, _>("holder"), lease["holder"].as_str().expect("text"));
        assert_eq!(row.get::<i64, _>("token"), lease["token"].as_i64().expect("a number"));
        let left = row.get::<i64, _>("until") - row.get::<i64, _>("now");
        assert!((0..=16_000).contains(&left), "{left}");
        row.get::<i64, _>("now") / 1000 > begin + 20
    })
    .await;
    for number in [1, 2] {
        let log = cluster.node(number).log();
        assert!(log.contains("the date of this machine differs from the database server's"), "{log}");
    }
}
