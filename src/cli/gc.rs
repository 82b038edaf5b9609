//! `portcullis gc`: removes what nothing refers to any more, and says what that is.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::{Context, block_on};
use super::output::{Output, bytes, date};
use super::progress::Bar;
use crate::node::collecting::{CollectionReport, Forecast, Wanted, collect, forecast, report};
use crate::node::progress::Progress;

/// Remove what nothing refers to any more, and free its space
///
/// The server does this by itself, a little at a time: images that lost their last tag, layers of deleted images, and uploads that no image
/// ever used, each after the times of the sections "trash" and "gc". This command does at once what is due, while the server runs or not.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Show what would be removed, and change nothing
    #[arg(long, conflicts_with = "confirm")]
    dry_run: bool,
    /// Do not wait for trash.keep and gc.grace; what was pushed or asked for within gc.lease stays all the same
    #[arg(long)]
    now: bool,
    /// Allow the removal of more than a fifth of all blobs
    #[arg(long)]
    confirm: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what waits, what was freed, and why nothing is removed if so
    Status,
}

pub(super) fn run(context: &Context, args: &Args, output: &Output) -> anyhow::Result<()> {
    let (config, data) = (context.config()?, context.data_directory()?);
    if args.verb.is_some() {
        return status(&block_on(report(&config, &data))?, output);
    }
    if args.dry_run {
        return dry_run(&block_on(forecast(&config, &data, args.now))?, args.now, output);
    }
    let bar = Bar::new();
    bar.begin("collecting", None);
    let wanted = Wanted { now: args.now, confirm: args.confirm, reviews: true };
    let collected = block_on(collect(&config, &data, wanted, |text| bar.say(text)));
    bar.end();
    let collected = collected?;
    let text = format!(
        "removed {} manifests and {} blobs, {} freed",
        collected.manifests,
        collected.blobs,
        bytes(collected.freed_bytes)
    );
    output.done(
        &text,
        &json!({
            "manifests": collected.manifests, "links": collected.links, "blobs": collected.blobs,
            "freed_bytes": collected.freed_bytes, "stopped": collected.stopped.as_ref().map(ToString::to_string),
        }),
    )?;
    collected.stopped.map_or(Ok(()), |stop| Err(anyhow::anyhow!("{stop}")))
}

fn dry_run(Forecast { found }: &Forecast, now: bool, output: &Output) -> anyhow::Result<()> {
    let command = if now { "portcullis gc --now" } else { "portcullis gc" };
    output.record(
        &[
            ("repositories", found.repositories.to_string()),
            ("manifests", found.manifests.to_string()),
            ("blobs", found.blobs.to_string()),
            ("to be freed", bytes(found.bytes)),
            ("nothing changed", format!("to remove it: {command}")),
        ],
        &json!({
            "repositories": found.repositories, "manifests": found.manifests, "links": found.links, "blobs": found.blobs,
            "bytes": found.bytes,
        }),
    )
}

fn status(found: &CollectionReport, output: &Output) -> anyhow::Result<()> {
    let CollectionReport { status, removals, stop, .. } = found;
    let [manifests, links, blobs, marked] = status.waiting;
    let oldest = status.oldest.map(date);
    let (freed_at, stopped) =
        ((status.freed_at > 0).then(|| date(status.freed_at)), stop.as_ref().map(ToString::to_string));
    let json: Value = json!({
        "waiting": { "manifests": manifests, "links": links, "blobs": blobs, "removals": marked },
        "oldest": oldest,
        "contents": { "count": status.doomed.0, "bytes": status.doomed.1 },
        "collected": { "manifests": status.collected[0], "links": status.collected[1], "blobs": status.collected[2] },
        "freed_bytes": status.freed_bytes,
        "freed_at": freed_at,
        "last_day": { "removed": removals.removed, "of": removals.blobs },
        "stopped": stopped,
    });
    output.record(
        &[
            ("waiting for review", format!("{manifests} manifests, {links} links, {blobs} blobs")),
            ("oldest", oldest.unwrap_or_else(|| "none".to_owned())),
            ("blobs to be removed", marked.to_string()),
            ("contents to be removed", format!("{} ({})", status.doomed.0, bytes(status.doomed.1))),
            ("collected so far", format!("{} manifests, {} blobs", status.collected[0], status.collected[2])),
            ("freed so far", bytes(status.freed_bytes)),
            ("last freed", freed_at.unwrap_or_else(|| "never".to_owned())),
            ("stopped", stopped.unwrap_or_else(|| "no".to_owned())),
        ],
        &json,
    )
}
