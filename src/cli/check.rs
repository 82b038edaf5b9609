//! `portcullis check`: whether what is stored is what it must be.

use std::sync::Arc;

use anyhow::bail;
use serde_json::json;

use super::context::{Context, block_on};
use super::output::{Output, aligned};
use super::progress::Bar;
use crate::node::backup::{Rebuilt, rebuild};
use crate::node::check::{CheckOptions, Checked, check};
use crate::node::progress::Progress;
use crate::registry::{Fault, FaultKind};

/// Check that every layer has its content, and that no content is left over
///
/// The server may be running. Without options, only lengths are compared; nothing is changed. Exit code 0: nothing is wrong; 1: something is.
/// The digest at the end is the same for two registries with the same tags and manifests.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Hide layers whose content is lost or damaged, so that clients push them again, and remove contents that no image knows
    #[arg(long)]
    repair: bool,
    /// Read and verify every content, too, but for what was read within the last 24 hours; damaged ones are put aside
    #[arg(long)]
    scrub: bool,
    /// Make a lost database again, from the copy of it that the server keeps next to the blobs; the last resort without a backup
    #[arg(long)]
    rebuild: bool,
}

pub(super) fn run(context: &Context, args: &Args, output: &Output) -> anyhow::Result<()> {
    let (config, data) = (context.config()?, context.data_directory()?);
    let bar = Arc::new(Bar::new());
    let progress = Arc::clone(&bar) as Arc<dyn Progress>;
    // A rebuilt database names contents that are gone by now.
    let options = CheckOptions { repair: args.repair || args.rebuild, scrub: args.scrub };
    let checked = block_on(async {
        let rebuilt = if args.rebuild { Some(rebuild(&config, &data, &progress).await?) } else { None };
        Ok((rebuilt, check(&config, &data, options, &progress).await?))
    });
    bar.end();
    let (rebuilt, checked): (Option<Rebuilt>, Checked) = checked?;
    let mut value = as_json(&checked);
    let Some(rebuilt) = rebuilt else {
        output.document(&text(&checked), &value)?;
        return outcome_of(&checked, options);
    };
    value["rebuilt"] = json!({ "copied_at": rebuilt.copied_at.to_string(), "rows": rebuilt.rows });
    output.document(&(of_rebuilt(&rebuilt) + &text(&checked)), &value)?;
    outcome_of(&checked, options)
}

/// What is there again, and what cannot be known.
fn of_rebuilt(rebuilt: &Rebuilt) -> String {
    format!(
        "the database was made again from the copy of {}: {} rows\n\
         what has happened since is unknown: images that were pushed or tagged are missing, though their layers may be there (unreferenced); what \
         was deleted is back; users, passwords, grants and tokens are as they were then, so change those that were withdrawn since\n",
        rebuilt.copied_at, rebuilt.rows
    )
}

fn text(checked: &Checked) -> String {
    let Checked { report, graph, .. } = checked;
    let mut text = String::new();
    if !report.faults.is_empty() {
        let row = |fault: &Fault| vec![fault.kind.name().to_owned(), fault.name.clone(), fault.detail.clone()];
        text = aligned(&["FAULT", "WHAT", "DETAIL"], &report.faults.iter().map(row).collect::<Vec<_>>());
    }
    let read = if report.read > 0 {
        format!(", {} of them read and verified ({} bytes)", report.read, report.read_bytes)
    } else {
        String::new()
    };
    text + &format!(
        "{} blobs ({} bytes) compared with their contents{read}\n{} tags, {} manifests, digest {}\n",
        report.blobs, report.bytes, graph.tags, graph.manifests, graph.digest
    )
}

fn as_json(checked: &Checked) -> serde_json::Value {
    let Checked { report, graph, is_waiting } = checked;
    let fault = |fault: &Fault| json!({ "kind": fault.kind.name(), "name": fault.name, "detail": fault.detail });
    let counts: serde_json::Map<_, _> =
        FaultKind::ALL.iter().map(|kind| (kind.name().to_owned(), json!(report.count(*kind)))).collect();
    json!({
        "sound": report.total() == 0,
        "blobs": report.blobs, "bytes": report.bytes, "read": report.read, "read_bytes": report.read_bytes,
        "tags": graph.tags, "manifests": graph.manifests, "digest": graph.digest,
        "counts": counts, "faults": report.faults.iter().map(fault).collect::<Vec<_>>(),
        "repaired": report.repaired, "left_to_the_server": report.left_to_server, "waiting": is_waiting,
    })
}

/// The exit code, with what is to be done.
fn outcome_of(checked: &Checked, options: CheckOptions) -> anyhow::Result<()> {
    let report = &checked.report;
    let leftovers = report.count(FaultKind::Unreferenced);
    let lost = report.total() - leftovers;
    if checked.is_waiting {
        bail!(
            "{} damaged contents were left to the server, which has not checked them yet: is it running? Run the check again",
            report.left_to_server
        );
    }
    match (lost, leftovers, options.repair) {
        (0, 0, _) | (0, _, true) => Ok(()),
        (0, _, false) => {
            bail!(
                "{leftovers} contents belong to no image: `portcullis check --repair` leaves them to the garbage collection"
            )
        }
        (_, _, false) => bail!(
            "{} faults: `portcullis check --repair` hides what is lost or damaged; then push the images that need it again",
            report.total()
        ),
        (_, _, true) => bail!(
            "{lost} contents are lost or damaged, and unknown to clients now: push the images that need them again; until then, pulls of these fail with \
             \"blob unknown\""
        ),
    }
}
