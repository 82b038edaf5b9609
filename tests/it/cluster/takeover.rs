//! What only one node does: taken over from one that died, refused to one that was paused, left to others by one that leaves.

use std::time::{Duration, Instant};

use sqlx::Row;

use crate::support::{Cluster, eventually, postgres};

const JOB: &str = "rotate-keys";
/// What is promised.
const TAKEN_OVER_WITHIN: Duration = Duration::from_mins(1);

/// Waits until another node than `before` runs the job, as the machine of `by` sees it; gives its number.
async fn taken_over(cluster: &Cluster, by: usize, before: usize) -> usize {
    let mut runner = None;
    eventually("another node runs it", async || {
        let lease = cluster.lease_by(by, JOB);
        let address = lease.as_ref().and_then(|lease| lease["node"].as_str());
        let other = address.filter(|address| !address.ends_with(&format!(":{}", cluster.node(before).port())));
        runner = other.map(|address| cluster.at(address));
        runner.is_some()
    })
    .await;
    runner.expect("found")
}

#[tokio::test]
async fn the_work_of_a_dead_node_is_taken_over_within_a_minute() {
    let cluster = Cluster::start(3).await;
    let dead = cluster.runner_of(JOB).await;
    let since = Instant::now();
    cluster.node(dead).signal("KILL");
    let next = taken_over(&cluster, (dead + 1) % 3, dead).await;
    assert!(next != dead && since.elapsed() < TAKEN_OVER_WITHIN, "{:?}", since.elapsed());
    eventually("it is taken for dead", async || {
        let status = cluster.status_by(next);
        let nodes = status["nodes"].as_array().expect("a list");
        nodes.iter().filter(|node| node["state"] == "silent").count() == 1
    })
    .await;
}

#[tokio::test]
async fn a_node_that_leaves_gives_its_work_to_another_at_once_and_serves_until_balancers_have_noticed() {
    let mut cluster = Cluster::start_with(2, "[server]\ndrain_delay = \"4s\"\n").await;
    let leaving = cluster.runner_of(JOB).await;
    let (other, ready) = (1 - leaving, cluster.node(leaving).anonymous());
    assert_eq!(ready.get("/health/ready").await.status(), 200);
    let before = cluster.lease_by(other, JOB).expect("held");
    cluster.node(leaving).signal("TERM");
    // As a balancer does: asks until it is told, and sends no one there any more.
    eventually("not ready", async || ready.get("/health/ready").await.status() == 503).await;
    let catalog = cluster.admin_everywhere()[leaving].get("/v2/_catalog").await.status();
    assert_eq!(catalog, 200, "those whom the balancer still sends are served");
    eventually("the lease is given back or held by the other", async || {
        cluster.lease_by(other, JOB).is_none_or(|lease| lease["holder"] != before["holder"])
    })
    .await;
    assert!(cluster.node(leaving).log().contains("serving until balancers have noticed"));
    let status = cluster.node_mut(leaving).wait().await;
    assert!(status.success(), "{status:?}");
    let nodes = cluster.status_by(other)["nodes"].as_array().expect("a list").len();
    assert_eq!(nodes, 1);
    eventually("the other runs it", async || cluster.lease_by(other, JOB).is_some()).await;
}

/// The node is paused in the middle of a transaction that writes under the lease. When it wakes up, another node has done the work.
#[tokio::test]
async fn a_node_that_was_paused_in_the_middle_of_its_work_does_not_write_over_its_successor() {
    let cluster = Cluster::start(2).await;
    cluster.runner_of(JOB).await;
    let mut database = postgres::connect(cluster.url()).await;
    // The node that runs the job now finds that there is no key, and waits for this transaction.
    let begin = "DELETE FROM token_keys; UPDATE meta SET policy_version = policy_version + 1";
    sqlx::raw_sql(begin).execute(&mut database).await.expect("written");
    sqlx::raw_sql("BEGIN; UPDATE meta SET pinged_at = pinged_at").execute(&mut database).await.expect("locked");
    let mut other = postgres::connect(cluster.url()).await;
    let release = "UPDATE leases SET holder = '', until = 0 WHERE name = 'rotate-keys'";
    sqlx::raw_sql(release).execute(&mut other).await.expect("released");
    let waiting =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query LIKE 'UPDATE meta SET policy_version%'";
    eventually("a node is in the middle of its work", async || {
        let found = sqlx::query(waiting).fetch_one(&mut other).await.expect("asked");
        found.get::<i64, _>(0) > 0
    })
    .await;
    let holder = "SELECT n.address FROM leases l JOIN nodes n ON n.id = l.holder WHERE l.name = 'rotate-keys'";
    let holder = sqlx::query(holder).fetch_one(&mut other).await.expect("held");
    let paused = cluster.at(&holder.get::<String, _>(0));
    cluster.node(paused).signal("STOP");
    sqlx::raw_sql("COMMIT").execute(&mut database).await.expect("unlocked");
    let since = Instant::now();
    let next = taken_over(&cluster, 1 - paused, paused).await;
    assert!(since.elapsed() < TAKEN_OVER_WITHIN, "{:?}", since.elapsed());
    let keys = async |other: &mut sqlx::PgConnection| {
        let found = sqlx::query("SELECT kid FROM token_keys").fetch_all(other).await.expect("asked");
        found.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    eventually("the successor has done the work", async || keys(&mut other).await.len() == 1).await;
    let (made, lease) = (keys(&mut other).await, cluster.lease_by(next, JOB).expect("held"));
    cluster.node(paused).signal("CONT");
    eventually("it knows", async || cluster.node(paused).log().contains("another node has taken the job over")).await;
    assert_eq!(keys(&mut other).await, made);
    assert_eq!(cluster.lease_by(next, JOB).expect("held")["token"], lease["token"]);
    let admin = &cluster.admin_everywhere()[paused];
    eventually("it serves again, with the new key", async || admin.get("/v2/_catalog").await.status() == 200).await;
}
