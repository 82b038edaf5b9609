//! Random steps of several clients on two nodes must give what one small model gives. A run that does not is reduced to few steps.

mod client;
mod images;
mod repository;
mod steps;
mod two_nodes;

use std::sync::Arc;

use client::Client;
use steps::{Step, draw};
use two_nodes::TwoNodes;

const CLIENTS: usize = 16;
/// In all; `PORTCULLIS_TEST_STEPS` is another number, and `PORTCULLIS_TEST_SEED` repeats a run.
const STEPS: usize = 100_000;
/// How often a run that failed is repeated with fewer steps.
const REPETITIONS: usize = 200;

/// With a database and a bucket that both share.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_do_what_the_model_does() {
    compare(TwoNodes::start().await).await;
}

/// With a file and a disk, which only one process may have: both are the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_a_disk_does_what_the_model_does() {
    compare(TwoNodes::on_a_disk().await).await;
}

#[expect(clippy::print_stdout, reason = "a failure is repeated with this seed")]
async fn compare(nodes: TwoNodes) {
    let seed = number_of("PORTCULLIS_TEST_SEED").unwrap_or_else(rand::random);
    let steps = number_of("PORTCULLIS_TEST_STEPS").map_or(STEPS, |steps| usize::try_from(steps).expect("in range"));
    println!("PORTCULLIS_TEST_SEED={seed}, {steps} steps of {CLIENTS} clients");
    let nodes = Arc::new(nodes);
    let clients = (0..CLIENTS).map(|client| {
        let nodes = Arc::clone(&nodes);
        let steps = draw(seed, client, steps / CLIENTS);
        tokio::spawn(
            async move { run(&nodes, &format!("c{client}"), &steps).await.map_err(|failure| (failure, steps)) },
        )
    });
    for client in clients.collect::<Vec<_>>() {
        if let Err((failure, steps)) = client.await.expect("no client panics") {
            let taken = &steps[..=failure.at];
            let reduced = reduce(&nodes, taken).await;
            panic!("seed {seed}: {}\n{}", failure.difference, told(taken, reduced.as_deref()));
        }
    }
}

/// Where a client and the model did not agree.
struct Failure {
    at: usize,
    difference: String,
}

async fn run(nodes: &TwoNodes, name: &str, steps: &[Step]) -> Result<(), Failure> {
    let mut client = Client::begin(nodes, name).await.map_err(|difference| Failure { at: 0, difference })?;
    for (at, step) in steps.iter().enumerate() {
        client.take(step).await.map_err(|difference| Failure { at, difference })?;
    }
    Ok(())
}

/// Fewer of the steps, which fail still, when this client takes them alone; `None` where they do not fail then.
async fn reduce(nodes: &TwoNodes, steps: &[Step]) -> Option<Vec<Step>> {
    let mut names = (0..REPETITIONS).map(|number| format!("again{number}"));
    let mut kept = steps.to_vec();
    run(nodes, &names.next()?, &kept).await.err()?;
    let mut size = kept.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < kept.len() {
            let Some(name) = names.next() else { return Some(kept) };
            let fewer = [&kept[..at], &kept[(at + size).min(kept.len())..]].concat();
            if run(nodes, &name, &fewer).await.is_err() { kept = fewer } else { at += size }
        }
        size /= 2;
    }
    Some(kept)
}

fn told(taken: &[Step], reduced: Option<&[Step]>) -> String {
    let Some(steps) = reduced else {
        return format!("after {} steps of this client, next to others; alone it does not happen", taken.len());
    };
    let lines: Vec<String> = steps.iter().map(|step| format!("  {step:?}")).collect();
    format!("{} steps of one client do it:\n{}", steps.len(), lines.join("\n"))
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
