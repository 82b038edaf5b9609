//! `portcullis untrust`: removes what `trust` or the registry's script installed, and nothing that was changed since.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use super::output::Output;
use super::trust::home;
use crate::domain::net::host_port::HostPort;
use crate::trust::{Host, InstallScope, RegistryAddress, RemovalOutcome, RemovedFile, remove};

/// Remove what `trust`, or the registry's own script, installed for a registry
///
/// Removes the files that are recorded in /var/lib/portcullis-trust and ~/.local/state/portcullis-trust, unless they were changed
/// since, and the directories created for them. Updates the operating system's store if that was used.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The registry, as it was given to `trust`
    #[arg(value_name = "HOST[:PORT]")]
    registry: HostPort,
    /// Only what was installed for this user's rootless tools
    #[arg(long)]
    user: bool,
    /// Print what would be removed, but remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Use DIR as the root directory
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

pub(super) fn run(args: Args, output: &Output) -> anyhow::Result<()> {
    let (host, registry) = (Host::at(args.root), RegistryAddress::from(args.registry));
    let user = match home(&host) {
        Ok(home) => Some(InstallScope::User(home)),
        Err(error) if args.user => return Err(error),
        Err(_) => None,
    };
    let mut files = Vec::new();
    // The user's first: they need no privileges.
    for scope in user.into_iter().chain((!args.user).then_some(InstallScope::System)) {
        files.extend(remove(&host, &scope, &registry, args.dry_run)?);
    }
    let lines: Vec<String> = files.iter().map(|file| line(file, args.dry_run)).collect();
    let text =
        if lines.is_empty() { format!("nothing is installed for {}", registry.written()) } else { lines.join("\n") };
    let json = json!({
        "registry": registry.written(),
        "dry_run": args.dry_run,
        "files": files.iter().map(|file| json!({ "path": file.path, "state": word(file.outcome) })).collect::<Vec<_>>(),
    });
    output.done(&text, &json)?;
    match files.iter().find(|file| file.outcome == RemovalOutcome::Changed) {
        Some(file) => bail!(
            "{} was changed after `trust` wrote it and was left in place: delete it by hand, then run untrust again",
            file.path.display()
        ),
        None => Ok(()),
    }
}

fn line(file: &RemovedFile, dry_run: bool) -> String {
    let path = file.path.display();
    match file.outcome {
        RemovalOutcome::Removed if dry_run => format!("would remove {path}"),
        RemovalOutcome::Removed => format!("removed {path}"),
        RemovalOutcome::Gone => format!("already gone {path}"),
        RemovalOutcome::Changed => format!("left {path}"),
        RemovalOutcome::Foreign => {
            format!("left {path}: `trust` did not write it; delete it by hand if it is not needed")
        }
    }
}

fn word(outcome: RemovalOutcome) -> &'static str {
    match outcome {
        RemovalOutcome::Removed => "removed",
        RemovalOutcome::Gone => "gone",
        RemovalOutcome::Changed => "changed",
        RemovalOutcome::Foreign => "foreign",
    }
}
