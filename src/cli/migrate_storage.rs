//! `portcullis migrate-storage`: moves a running registry to another database, another blob store, or both.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::context::{Context, block_on};
use super::output::Output;
use super::progress::Bar;
use crate::node::moving::{MoveReport, move_storage, read_target, release};
use crate::node::progress::Progress;

/// Move this registry to another database or blob store while it serves
///
/// FILE is the configuration that the registry will be served with: its sections "database" and "blobs" say where everything goes, and there is
/// nothing yet. Users, grants, tags, certificates and keys are the same there; tokens stay valid. Pulls continue all the time. Pushes
/// continue while blobs are copied, and are refused for the short time at the end in which the rest and the database are copied
/// ("503", clients try again). Everything is compared. A command that was interrupted continues when it is run again. Afterwards the old
/// storage takes no more changes: stop the server, and start it with FILE.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration of the registry after the move
    #[arg(long, value_name = "FILE", required_unless_present = "release")]
    to: Option<PathBuf>,
    /// Copy and compare everything, then let this registry take changes again; a run without it copies only what is new
    #[arg(long, conflicts_with = "release")]
    dry_run: bool,
    /// Let this registry take changes again, after a move that was killed or is not wanted; what was pushed to the new place is not
    /// brought back
    #[arg(long, conflicts_with = "to")]
    release: bool,
}

pub(super) fn run(context: &Context, args: &Args, output: &Output) -> anyhow::Result<()> {
    let config = context.config()?;
    let target = args.to.as_ref().map(|path| read_target(path, &config.data_dir)).transpose()?;
    context.data_directory()?;
    let Some(target) = target else {
        let to = block_on(release(&config))?;
        return output.done(
            &format!("changes are accepted again; the move to {to} is undone, and what is there is not removed"),
            &json!({ "released": true, "to": to }),
        );
    };
    let progress = Arc::new(Bar::new());
    let moved = block_on(move_storage(&config, &target, args.dry_run, Arc::clone(&progress) as Arc<dyn Progress>));
    progress.end();
    report(&moved?, args, output)
}

fn report(moved: &MoveReport, args: &Args, output: &Output) -> anyhow::Result<()> {
    let MoveReport { from, to, blobs, bytes, tables, frozen } = moved;
    let rows: u64 = tables.iter().map(|table| table.rows).sum();
    let file = args.to.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let next = if args.dry_run {
        "changes are accepted again; run the command without --dry-run to move it".to_owned()
    } else {
        format!("changes are refused here from now on: stop the server, and start it with --config {file}")
    };
    let text = format!(
        "{from} was copied to {to}: {blobs} blobs ({bytes} bytes) by this run, {rows} rows of {} tables, all compared; changes were \
         refused for {} s\n{next}",
        tables.len(),
        frozen.as_secs_f64().ceil()
    );
    let tables: Vec<_> = tables
        .iter()
        .map(|table| json!({ "table": table.table, "rows": table.rows, "sha256": table.digest }))
        .collect();
    output.done(
        &text,
        &json!({
            "from": from, "to": to, "moved": !args.dry_run, "blobs": blobs, "bytes": bytes, "tables": tables,
            "frozen_milliseconds": u64::try_from(frozen.as_millis()).unwrap_or(u64::MAX),
        }),
    )
}
