//! `portcullis import`: moves in from another registry.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Subcommand;
use serde_json::{Value, json};

use super::context::{Context, block_on};
use super::output::Output;
use super::progress::Bar;
use super::{import_htpasswd, import_registry};
use crate::node::importing::{ImportOrder, ImportReport, Method, SourceKind, finish, import};
use crate::node::progress::Progress;

/// How many things that cannot be kept are printed for people; all that are known are in the JSON.
const PRINTED: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Import the storage of distribution (registry:2, registry:3, docker-registry)
    ///
    /// DIR is the registry's root directory, the one with docker/registry/v2. Everything is checked first. Contents are then taken over as
    /// they are (hard links, so both registries have them and no byte is copied), compared with their digests, and every repository is
    /// entered with its manifests, tags and dates. The source is never written to. A command that was interrupted continues when it is run
    /// again, and brings what has been pushed to the source meanwhile. What was pushed here after it was pushed there stays.
    Distribution(Source),
    /// Import the storage of zot
    ///
    /// DIR is zot's rootDirectory, with a folder for each repository. All else is as for distribution.
    Zot(Source),
    /// Import the storage of Harbor's registry
    ///
    /// DIR is the volume of its registry, with docker/registry/v2, or the directory above it. Projects are the first part of names here as
    /// there. Harbor keeps tags and users in its database: tags that were deleted in Harbor, and have not been collected since, come along,
    /// and those that were only added in its pages do not. All else is as for distribution.
    Harbor(Source),
    /// Import the users of a file of htpasswd, with their passwords
    ///
    /// Passwords that are hashed with bcrypt are accepted as they are, and hashed with Argon2id at the next login. Imported users own NAME/**
    /// as others do, and may do nothing else before it is granted to them. Users that exist already stay as they are.
    Htpasswd(import_htpasswd::Args),
    /// Pull repositories from a running registry over the API
    ///
    /// Tags come with the images of their indexes and with their signatures and other referrers. What is here already is not fetched, and a
    /// command that was interrupted continues when it is run again. The API tells no dates: tags are dated today.
    Registry(import_registry::Args),
    /// Give up the registry whose bucket contents were taken over from: from then on, those that nothing refers to are removed there too
    Finish,
}

#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// Where the other registry has its data: a directory, or `s3://BUCKET/PREFIX` in the object store of `[blobs.s3]`
    #[arg(value_name = "DIR")]
    path: PathBuf,
    /// Only report what would be imported, and what cannot be
    #[arg(long, conflicts_with = "copy")]
    report: bool,
    /// Copy the contents instead of taking them over as they are: for another file system, or other storage
    #[arg(long)]
    copy: bool,
}

pub(super) fn run(context: &Context, verb: &Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::Distribution(source) | Verb::Harbor(source) => {
            import_from(context, SourceKind::Distribution, source, output)
        }
        Verb::Finish => end(context, output),
        Verb::Registry(args) => import_registry::run(context, args, output),
        Verb::Htpasswd(args) => import_htpasswd::run(context, args, output),
        Verb::Zot(source) => import_from(context, SourceKind::Zot, source, output),
    }
}

fn import_from(context: &Context, kind: SourceKind, source: &Source, output: &Output) -> anyhow::Result<()> {
    let (config, data) = (context.config()?, context.data_directory()?);
    let method = if source.copy { Method::Copy } else { Method::Adopt };
    let order = ImportOrder { kind, path: &source.path, method, report_only: source.report };
    let bar = Arc::new(Bar::new());
    let imported = block_on(import(&config, &data, context.clock(), &order, Arc::clone(&bar) as Arc<dyn Progress>));
    bar.end();
    let report = imported?;
    show(&report, source, output)?;
    if source.report || report.lost == 0 {
        return Ok(());
    }
    bail!("{} things could not be kept; everything else was imported", report.lost)
}

fn end(context: &Context, output: &Output) -> anyhow::Result<()> {
    let (config, data) = (context.config()?, context.data_directory()?);
    let contents = block_on(finish(&config, &data, context.clock()))?;
    let text = format!("{contents} contents that were taken over in a bucket belong to this registry alone now");
    output.done(&text, &json!({ "contents": contents }))
}

fn show(report: &ImportReport, source: &Source, output: &Output) -> anyhow::Result<()> {
    let contents = format!("{} of {} bytes", report.contents, report.bytes);
    let mut lines = vec![
        ("source", report.source.clone()),
        ("repositories", report.repositories.to_string()),
        ("manifests", report.manifests.to_string()),
        ("tags", report.tags.to_string()),
        ("contents", contents),
        (if source.report { "method" } else { "new here" }, method(report, source)),
    ];
    if report.newer_tags > 0 {
        lines.push(("newer here", format!("{} tags, which stay as they are", report.newer_tags)));
    }
    if report.lost > 0 {
        lines.push(("not kept", report.lost.to_string()));
    }
    let losses = report.losses.iter().take(PRINTED).map(|loss| ("", format!("{}: {}", loss.what, loss.why)));
    lines.extend(losses);
    if report.lost > PRINTED as u64 {
        lines.push(("", format!("and {} more (--json names them)", report.lost - PRINTED as u64)));
    }
    output.record(&lines, &as_json(report, source))
}

fn method(report: &ImportReport, source: &Source) -> String {
    if !source.report {
        let how = if source.copy { "copied" } else { "taken over, no byte copied" };
        return format!("{} contents of {} bytes, {how}", report.new_contents, report.new_bytes);
    }
    match &report.only_by_copy {
        None => "contents can be taken over as they are".to_owned(),
        Some(why) => format!("contents must be copied (--copy): {why}"),
    }
}

fn as_json(report: &ImportReport, source: &Source) -> Value {
    let losses: Vec<Value> = report.losses.iter().map(|loss| json!({ "what": loss.what, "why": loss.why })).collect();
    json!({
        "source": report.source,
        "imported": !source.report,
        "repositories": report.repositories,
        "manifests": report.manifests,
        "tags": report.tags,
        "contents": report.contents,
        "bytes": report.bytes,
        "only_by_copy": report.only_by_copy,
        "new_contents": report.new_contents,
        "new_bytes": report.new_bytes,
        "newer_tags": report.newer_tags,
        "not_kept": report.lost,
        "losses": losses,
    })
}
