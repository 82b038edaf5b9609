//! `portcullis repo history`, `restore`, `hold`, `release` and `purge`: what was, what comes back, what stays, and what must go.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::{Context, block_on};
use super::output::{Output, date};
use super::time::parse_time;
use crate::admin::{Past, PurgedBefore, TagEntry, TagMoment};
use crate::domain::ImageName;
use crate::domain::oci::image_name::InvalidImageName;
use crate::node::collecting::{Wanted, collect};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show what a tag, or every tag of a repository, pointed to: from when until when, by whom and why
    History {
        /// The repository or tag: NAME or NAME:TAG
        #[arg(value_parser = of_tag_or_repository)]
        name: ImageName,
    },
    /// Restore a deleted repository, or a tag to what it pointed to
    Restore {
        /// The repository or tag: NAME or NAME:TAG
        #[arg(value_parser = of_tag_or_repository)]
        name: ImageName,
        /// To what it was at this time: a date such as 2026-11-26T14:00:00Z, or 2h for two hours ago
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        at: Option<i64>,
        /// To what the tag pointed to before it was moved
        #[arg(long, conflicts_with = "at")]
        previous: bool,
    },
    /// Hold a repository or tag: no one can delete it, no rule and no push changes a held tag
    Hold {
        /// The repository or tag: NAME or NAME:TAG
        #[arg(value_parser = of_tag_or_repository)]
        name: ImageName,
        /// Why, for those who are refused
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Release a repository or tag that is held
    Release {
        /// The repository or tag: NAME or NAME:TAG
        #[arg(value_parser = of_tag_or_repository)]
        name: ImageName,
    },
    /// Remove a manifest or repository at once and for good, with every content that nothing else needs; for leaked secrets
    Purge {
        /// The repository or manifest: NAME or NAME@DIGEST
        name: ImageName,
        /// Why; it is recorded with your name
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

fn of_tag_or_repository(text: &str) -> Result<ImageName, String> {
    let name: ImageName = text.parse().map_err(|error: InvalidImageName| error.to_string())?;
    if name.digest().is_some() { Err("expected NAME or NAME:TAG".to_owned()) } else { Ok(name) }
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::History { name } => history(context, &name, output),
        Verb::Restore { name, at, previous } => restore(context, &name, (at, previous), output),
        Verb::Hold { name, reason } => {
            context.administer(async |admin, permit| {
                Ok(admin.hold(permit, (&name.repository, name.tag()), &reason).await?)
            })?;
            output.done(&format!("{name} is held"), &json!({ "held": name.to_string(), "reason": reason }))
        }
        Verb::Release { name } => {
            context.administer(async |admin, permit| Ok(admin.release(permit, &name).await?))?;
            output.done(&format!("{name} is released"), &json!({ "released": name.to_string() }))
        }
        Verb::Purge { name, reason } => purge(context, &name, &reason, output),
    }
}

fn history(context: &Context, name: &ImageName, output: &Output) -> anyhow::Result<()> {
    let past =
        context.administer(async |admin, permit| Ok(admin.history(permit, &name.repository, name.tag()).await?))?;
    let Past { tags, purges } = &past;
    let mut rows: Vec<Vec<String>> = tags.iter().map(row).collect();
    rows.extend(purges.iter().map(purged_row));
    let json = json!({
        "tags": tags.iter().map(entry).collect::<Vec<_>>(),
        "purges": purges.iter().map(purged).collect::<Vec<_>>(),
    });
    output.table(&["TAG", "DIGEST", "FROM", "BY", "WHY", "UNTIL", "ENDED BY"], &rows, &json)
}

fn row(entry: &TagEntry) -> Vec<String> {
    let (by, cause) = entry.by.clone().unwrap_or_else(|| ("unknown".to_owned(), String::new()));
    let (until, ended) = match &entry.ended {
        None => ("now".to_owned(), String::new()),
        Some((at, by, cause)) => (date(*at), format!("{by} ({cause})")),
    };
    vec![entry.tag.to_string(), entry.digest.to_string(), date(entry.from), by, cause, until, ended]
}

fn purged_row(purge: &PurgedBefore) -> Vec<String> {
    let digest = purge.digest.as_ref().map_or_else(|| "the whole repository".to_owned(), ToString::to_string);
    vec![String::new(), digest, String::new(), purge.by.clone(), format!("purged: {}", purge.reason), date(purge.at)]
}

fn entry(entry: &TagEntry) -> Value {
    let (by, cause) = entry.by.clone().unzip();
    json!({
        "tag": entry.tag.as_str(), "digest": entry.digest.to_string(), "from": date(entry.from), "by": by, "cause": cause,
        "until": entry.ended.as_ref().map(|(at, _, _)| date(*at)),
        "ended_by": entry.ended.as_ref().map(|(_, by, _)| by),
        "ended_cause": entry.ended.as_ref().map(|(_, _, cause)| cause),
    })
}

fn purged(purge: &PurgedBefore) -> Value {
    json!({
        "digest": purge.digest.as_ref().map(ToString::to_string), "reason": purge.reason, "at": date(purge.at), "by": purge.by,
    })
}

fn restore(
    context: &Context,
    name: &ImageName,
    (at, previous): (Option<i64>, bool),
    output: &Output,
) -> anyhow::Result<()> {
    let moment = match at {
        Some(time) => TagMoment::At(time),
        None if previous => TagMoment::Previous,
        None => TagMoment::Deleted,
    };
    let restored = context.administer(async |admin, permit| {
        Ok(match name.tag() {
            Some(tag) => admin.restore_tag(permit, (&name.repository, tag), moment).await?,
            None if previous => anyhow::bail!("--previous is for a tag: NAME:TAG"),
            None => admin.restore_repository(permit, &name.repository, at).await?,
        })
    })?;
    super::trash::tell(&restored, output)
}

/// The contents are removed at once: by this command, or by the server, which it waits for.
fn purge(context: &Context, name: &ImageName, reason: &str, output: &Output) -> anyhow::Result<()> {
    let purged = context.administer(async |admin, permit| Ok(admin.purge(permit, name, reason).await?))?;
    let (config, data) = (context.config()?, context.data_directory()?);
    let wanted = Wanted { now: false, confirm: false, reviews: false };
    let stopped = block_on(collect(&config, &data, wanted, |_| ()))?.stopped;
    let text = format!(
        "purged {name}: {} manifests, and {} contents ({} bytes) that nothing else needs; {} contents stay, because other images need them",
        purged.manifests, purged.contents, purged.bytes, purged.shared
    );
    output.done(
        &text,
        &json!({
            "purged": name.to_string(), "reason": reason, "manifests": purged.manifests, "contents": purged.contents,
            "bytes": purged.bytes, "shared": purged.shared, "stopped": stopped.as_ref().map(ToString::to_string),
        }),
    )?;
    stopped.map_or(Ok(()), |stop| {
        Err(anyhow::anyhow!("no client can read the contents, but they are not removed yet: {stop}"))
    })
}
