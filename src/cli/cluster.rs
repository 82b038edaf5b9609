//! `portcullis cluster`: the nodes that serve a registry.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{Output, date};
use crate::admin::{Cluster, Difference, HeldLease, NodeState, State};

/// A machine's date that differs by this many milliseconds is shown.
const CLOCK_DIFFERS: u64 = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the nodes, what only one of them runs, and the settings on which they disagree
    Status,
}

pub(super) fn run(context: &Context, Verb::Status: &Verb, output: &Output) -> anyhow::Result<()> {
    let mut cluster = context.administer(async |admin, permit| Ok(admin.cluster(permit).await?))?;
    if context.config()?.database.url.is_none() && context.data_directory()?.try_lock()?.is_ok() {
        // What a crash left: no process serves the data directory.
        cluster.nodes.clear();
    }
    output.document(&text(&cluster), &as_json(&cluster))
}

fn text(cluster: &Cluster) -> String {
    if cluster.nodes.is_empty() {
        return "no node serves this registry: start one with `portcullis serve`\n".to_owned();
    }
    let mut parts = vec![nodes(cluster)];
    if !cluster.leases.is_empty() {
        parts.push(leases(cluster));
    }
    if !cluster.differences.is_empty() {
        parts.push(differences(cluster));
    }
    parts.join("\n")
}

fn differences(cluster: &Cluster) -> String {
    const HEAD: &str =
        "The nodes disagree on settings; give all of them the same, then restart those that had another:\n";
    let line = |difference: &Difference| format!("  {}: {}\n", difference.setting, difference.values_in_words());
    std::iter::once(HEAD.to_owned()).chain(cluster.differences.iter().map(line)).collect()
}

fn nodes(cluster: &Cluster) -> String {
    let row = |node: &NodeState| {
        let record = &node.record;
        let seen = if node.state == State::Silent { ago(cluster.now - record.seen_at) } else { String::new() };
        let ahead = record.clock_ahead;
        let clock = if ahead.unsigned_abs() < CLOCK_DIFFERS { String::new() } else { format!("{:+}s", ahead / 1000) };
        let up = span(cluster.now - record.started_at);
        vec![record.address.clone(), record.version.clone(), node.state.as_str().to_owned(), up, seen, clock]
    };
    let rows: Vec<Vec<String>> = cluster.nodes.iter().map(row).collect();
    super::output::aligned(&["NODE", "VERSION", "STATE", "UP", "LAST SEEN", "CLOCK"], &rows)
}

fn leases(cluster: &Cluster) -> String {
    let row = |held: &HeldLease| vec![held.lease.name.clone(), held.address.clone()];
    let rows: Vec<Vec<String>> = cluster.leases.iter().map(row).collect();
    super::output::aligned(&["JOB", "RUNS ON"], &rows)
}

fn ago(seconds: i64) -> String {
    format!("{} ago", span(seconds))
}

/// The largest unit, rounded down.
fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

fn as_json(cluster: &Cluster) -> Value {
    let node = |node: &NodeState| {
        json!({
            "id": node.record.id,
            "address": node.record.address,
            "version": node.record.version,
            "state": node.state.as_str(),
            "started_at": date(node.record.started_at),
            "seen_at": date(node.record.seen_at),
            "clock_ahead_ms": node.record.clock_ahead,
        })
    };
    let lease = |held: &HeldLease| {
        json!({
            "name": held.lease.name,
            "node": held.address,
            "holder": held.lease.holder,
            "token": held.lease.token,
            "until": date(held.lease.until / 1000),
        })
    };
    let difference = |difference: &Difference| {
        let values = difference.values.iter().map(|(value, nodes)| json!({ "value": value, "nodes": nodes }));
        json!({ "setting": difference.setting, "values": values.collect::<Vec<_>>() })
    };
    json!({
        "nodes": cluster.nodes.iter().map(node).collect::<Vec<_>>(),
        "leases": cluster.leases.iter().map(lease).collect::<Vec<_>>(),
        "differences": cluster.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}
