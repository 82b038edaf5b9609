//! `portcullis import registry`: pulls from a running registry.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::context::{Context, block_on};
use super::output::Output;
use super::progress::Bar;
use super::secret_input;
use crate::domain::{Glob, HostPort};
use crate::node::importing::{ImportReport, PullOrder, pull};
use crate::node::progress::Progress;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The registry, as HOST or HOST:PORT; it must speak https
    #[arg(value_name = "HOST[:PORT]")]
    host: HostPort,
    /// Only repositories that match; a name without * need not be in the registry's list
    #[arg(long, value_name = "GLOB")]
    on: Vec<Glob>,
    /// Log in to the registry as this user; without --password-stdin, asks for the password on a terminal
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Read the password from stdin
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// Trust the certificates in this file (PEM) instead of the public authorities
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Move tags that point elsewhere here; without it they stay as they are
    #[arg(long)]
    overwrite: bool,
}

pub(super) fn run(context: &Context, args: &Args, output: &Output) -> anyhow::Result<()> {
    // Before root acts as someone else, who may not read it.
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let authorities = args.ca.as_ref().map(read).transpose()?;
    let password = || {
        if args.password_stdin {
            secret_input::first_line("password")
        } else {
            secret_input::ask("Password: ", "password")
        }
    };
    let login = args.username.as_ref().map(|name| Ok::<_, anyhow::Error>((name.clone(), password()?))).transpose()?;
    let (config, data) = (context.config()?, context.data_directory()?);
    let order = PullOrder { host: &args.host, on: &args.on, login, authorities, overwrite: args.overwrite };
    let bar = Arc::new(Bar::new());
    let pulled = block_on(pull(&config, &data, context.clock(), order, Arc::clone(&bar) as Arc<dyn Progress>));
    bar.end();
    let report = pulled?;
    show(&report, output)?;
    if report.lost == 0 {
        return Ok(());
    }
    bail!("{} things could not be pulled; everything else was", report.lost)
}

fn show(report: &ImportReport, output: &Output) -> anyhow::Result<()> {
    let mut lines = vec![
        ("source", report.source.clone()),
        ("repositories", report.repositories.to_string()),
        ("manifests", report.manifests.to_string()),
        ("tags", report.tags.to_string()),
        ("fetched", format!("{} contents of {} bytes", report.new_contents, report.new_bytes)),
    ];
    if report.newer_tags > 0 {
        let text = format!("{} tags point elsewhere here, and stay (--overwrite moves them)", report.newer_tags);
        lines.push(("different here", text));
    }
    lines.extend(report.losses.iter().map(|loss| ("not pulled", format!("{}: {}", loss.what, loss.why))));
    let losses: Vec<_> = report.losses.iter().map(|loss| json!({ "what": loss.what, "why": loss.why })).collect();
    let json = json!({
        "source": report.source,
        "repositories": report.repositories,
        "manifests": report.manifests,
        "tags": report.tags,
        "new_contents": report.new_contents,
        "new_bytes": report.new_bytes,
        "different_tags": report.newer_tags,
        "not_kept": report.lost,
        "losses": losses,
    });
    output.record(&lines, &json)
}
