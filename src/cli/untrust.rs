//! `portcullis untrust`: removes what `trust` or the registry's script wrote, and nothing that someone has changed since.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use super::output::Output;
use super::trust::home;
use crate::domain::net::host_port::HostPort;
use crate::trust::{Fate, Host, RegistryAddress, RemovedFile, Scope, remove};

/// Remove what `trust`, or the registry's own script, wrote for a registry
///
/// Removes the files that the manifests in /var/lib/portcullis-trust and ~/.local/state/portcullis-trust name and that no one
/// has changed since, the directories made for them, and runs the command of the operating system's store if that was used.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The registry, as it was named to `trust`
    #[arg(value_name = "HOST[:PORT]")]
    registry: HostPort,
    /// Only what was written for this user's rootless tools
    #[arg(long)]
    user: bool,
    /// Say what would be removed, but remove nothing
    #[arg(long)]
    dry_run: bool,
    /// A directory that stands in for /
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

pub(super) fn run(args: Args, output: &Output) -> anyhow::Result<()> {
    let (host, registry) = (Host::at(args.root), RegistryAddress::from(args.registry));
    let user = match home(&host) {
        Ok(home) => Some(Scope::User(home)),
        Err(error) if args.user => return Err(error),
        Err(_) => None,
    };
    let mut files = Vec::new();
    // The user's first: they need no rights.
    for scope in user.into_iter().chain((!args.user).then_some(Scope::System)) {
        files.extend(remove(&host, &scope, &registry, args.dry_run)?);
    }
    let lines: Vec<String> = files.iter().map(|file| line(file, args.dry_run)).collect();
    let text =
        if lines.is_empty() { format!("nothing is installed for {}", registry.written()) } else { lines.join("\n") };
    let json = json!({
        "registry": registry.written(),
        "dry_run": args.dry_run,
        "files": files.iter().map(|file| json!({ "path": file.path, "state": word(file.fate) })).collect::<Vec<_>>(),
    });
    output.done(&text, &json)?;
    match files.iter().find(|file| file.fate == Fate::Changed) {
        Some(file) => bail!(
            "{} has been changed since `trust` wrote it and was left: remove it by hand, then run untrust again",
            file.path.display()
        ),
        None => Ok(()),
    }
}

fn line(file: &RemovedFile, dry_run: bool) -> String {
    let path = file.path.display();
    match file.fate {
        Fate::Removed if dry_run => format!("would remove {path}"),
        Fate::Removed => format!("removed {path}"),
        Fate::Gone => format!("already gone {path}"),
        Fate::Changed => format!("left {path}"),
        Fate::Foreign => format!("left {path}: `trust` did not write it; delete it by hand if it is not needed"),
    }
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Removed => "removed",
        Fate::Gone => "gone",
        Fate::Changed => "changed",
        Fate::Foreign => "foreign",
    }
}
