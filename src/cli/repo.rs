//! `portcullis repo`: manages repositories.

use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::output::{Output, date};
use super::repo_past;
use crate::admin::{AdminError, Hold, Repository, TaggedManifest};
use crate::domain::{RepositoryName, Tag};

/// How many rows are read at a time.
const PAGE: u32 = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List all repositories
    List,
    /// Show what a repository contains
    Show {
        /// The repository
        name: RepositoryName,
    },
    /// List the tags of a repository
    Tags {
        /// The repository
        name: RepositoryName,
    },
    /// Remove a repository with its tags and manifests; it can be restored for trash.keep
    Remove {
        /// The repository
        name: RepositoryName,
    },
    #[command(flatten)]
    Past(repo_past::Verb),
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::List => list(context, output),
        Verb::Show { name } => {
            show(&context.administer(async |admin, permit| Ok(admin.repository(permit, &name).await?))?, output)
        }
        Verb::Tags { name } => tags(context, &name, output),
        Verb::Remove { name } => {
            context.administer(async |admin, permit| Ok(admin.remove_repository(permit, &name).await?))?;
            output.done(&format!("removed repository {name}"), &json!({ "removed": name.as_str() }))
        }
        Verb::Past(verb) => repo_past::run(context, verb, output),
    }
}

fn list(context: &Context, output: &Output) -> anyhow::Result<()> {
    let names = context.administer(async |admin, permit| {
        Ok(every(async |last: Option<&RepositoryName>| admin.repositories(permit, last, PAGE).await).await?)
    })?;
    let rows: Vec<Vec<String>> = names.iter().map(|name| vec![name.to_string()]).collect();
    output.table(&["NAME"], &rows, &names.iter().map(RepositoryName::as_str).collect())
}

fn show(repository: &Repository, output: &Output) -> anyhow::Result<()> {
    let held = repository.holds.iter().map(hold).reduce(|all, next| format!("{all}; {next}"));
    output.record(
        &[
            ("name", repository.name.to_string()),
            ("tags", repository.tags.to_string()),
            ("manifests", repository.manifests.to_string()),
            ("blobs", repository.blobs.to_string()),
            ("bytes", repository.bytes.to_string()),
            ("created", date(repository.created_at)),
            ("held", held.unwrap_or_else(|| "no".to_owned())),
        ],
        &json!({
            "name": repository.name.as_str(),
            "tags": repository.tags,
            "manifests": repository.manifests,
            "blobs": repository.blobs,
            "bytes": repository.bytes,
            "created_at": date(repository.created_at),
            "holds": repository.holds.iter().map(json_of_hold).collect::<Vec<_>>(),
        }),
    )
}

fn hold(hold: &Hold) -> String {
    let what = hold.tag.as_ref().map_or("all of it", Tag::as_str);
    format!("{what} ({}; {}, {})", hold.reason, hold.by, date(hold.since))
}

fn json_of_hold(hold: &Hold) -> serde_json::Value {
    json!({ "tag": hold.tag.as_ref().map(Tag::as_str), "reason": hold.reason, "by": hold.by, "since": date(hold.since) })
}

fn tags(context: &Context, name: &RepositoryName, output: &Output) -> anyhow::Result<()> {
    let tags = context.administer(async |admin, permit| {
        let page =
            async |last: Option<&TaggedManifest>| admin.tags(permit, name, last.map(|last| &last.tag), PAGE).await;
        Ok(every(page).await?)
    })?;
    let row =
        |tagged: &TaggedManifest| vec![tagged.tag.to_string(), tagged.digest.to_string(), date(tagged.updated_at)];
    let json = |tagged: &TaggedManifest| {
        json!({
            "tag": tagged.tag.as_str(),
            "digest": tagged.digest.to_string(),
            "updated_at": date(tagged.updated_at),
        })
    };
    let rows: Vec<Vec<String>> = tags.iter().map(row).collect();
    output.table(&["TAG", "DIGEST", "UPDATED"], &rows, &tags.iter().map(json).collect())
}

/// Every entry of a list that comes in pages, each of which begins after the last entry of the one before.
async fn every<T>(page: impl AsyncFn(Option<&T>) -> Result<Vec<T>, AdminError>) -> Result<Vec<T>, AdminError> {
    let mut all = Vec::new();
    loop {
        let next = page(all.last()).await?;
        if next.is_empty() {
            return Ok(all);
        }
        all.extend(next);
    }
}
