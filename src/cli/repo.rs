//! `portcullis repo`: manages repositories.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{Output, date};
use super::repo_past;
use crate::admin::{AdminError, Hold, Repository, SizedRepository, Sizes, TaggedManifest};
use crate::domain::{Amount, Glob, RepositoryName, Tag};

/// How many rows are read at a time.
const PAGE: u32 = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List repositories, with what each holds and what its removal would free
    List {
        /// Only these repositories: `*` matches within a segment, `**` across segments; quote it
        #[arg(value_name = "GLOB")]
        on: Option<Glob>,
    },
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
        Verb::List { on } => list(context, on.as_ref(), output),
        Verb::Show { name } => {
            let config = context.config()?;
            let (shown, freed_at) = context.administer(async |admin, permit| {
                Ok((admin.repository(permit, &name).await?, admin.freed_at(&config.trash, &config.gc)))
            })?;
            show(&shown, freed_at, output)
        }
        Verb::Tags { name } => tags(context, &name, output),
        Verb::Remove { name } => {
            context.administer(async |admin, permit| Ok(admin.remove_repository(permit, &name).await?))?;
            let keeps = !context.config()?.trash.keep.is_zero();
            let undo = if keeps { format!("; to undo it: portcullis repo restore {name}") } else { String::new() };
            output.done(&format!("removed repository {name}{undo}"), &json!({ "removed": name.as_str() }))
        }
        Verb::Past(verb) => repo_past::run(context, verb, output),
    }
}

fn list(context: &Context, on: Option<&Glob>, output: &Output) -> anyhow::Result<()> {
    let repositories = context.administer(async |admin, permit| {
        let (mut all, mut last) = (Vec::new(), None);
        loop {
            let (page, end) = admin.repositories(permit, on, last.as_ref(), PAGE).await?;
            all.extend(page);
            match end {
                Some(_) => last = end,
                None => return Ok(all),
            }
        }
    })?;
    let row = |SizedRepository { name, sizes }: &SizedRepository| {
        let bytes = [sizes.logical, sizes.unique, sizes.own].map(|bytes| Amount(bytes).to_string());
        [vec![name.to_string(), sizes.tags.to_string(), sizes.manifests.to_string()], bytes.to_vec()].concat()
    };
    let json = |SizedRepository { name, sizes }: &SizedRepository| {
        let mut json = sizes_json(sizes);
        json["name"] = name.as_str().into();
        json
    };
    let rows: Vec<Vec<String>> = repositories.iter().map(row).collect();
    let headings = ["NAME", "TAGS", "MANIFESTS", "LOGICAL", "UNIQUE", "FREED BY REMOVAL"];
    output.table(&headings, &rows, &repositories.iter().map(json).collect())
}

/// Sizes as every command tells them.
pub(super) fn sizes_json(sizes: &Sizes) -> Value {
    json!({
        "tags": sizes.tags,
        "manifests": sizes.manifests,
        "logical_bytes": sizes.logical,
        "unique_bytes": sizes.unique,
        "freed_by_removal": sizes.own,
    })
}

fn show(repository: &Repository, freed_at: Option<i64>, output: &Output) -> anyhow::Result<()> {
    let held = repository.holds.iter().map(hold).reduce(|all, next| format!("{all}; {next}"));
    let sizes = &repository.sizes;
    let when = freed_at
        .map_or_else(|| "never: gc.enabled is false".to_owned(), |at| format!("by {} if removed now", date(at)));
    let mut json = sizes_json(sizes);
    json["name"] = repository.name.as_str().into();
    json["blobs"] = repository.blobs.into();
    json["bytes"] = repository.bytes.into();
    json["freed_at"] = freed_at.map(date).into();
    json["created_at"] = date(repository.created_at).into();
    json["holds"] = repository.holds.iter().map(json_of_hold).collect();
    let lines = [
        ("name", repository.name.to_string()),
        ("tags", repository.tags.to_string()),
        ("manifests", repository.manifests.to_string()),
        ("blobs", format!("{}, {}", repository.blobs, Amount(repository.bytes))),
        ("logical size", format!("{} (every image by itself)", Amount(sizes.logical))),
        ("unique size", format!("{} (shared layers once)", Amount(sizes.unique))),
        ("freed by removal", format!("{}, {when}", Amount(sizes.own))),
        ("created", date(repository.created_at)),
        ("held", held.unwrap_or_else(|| "no".to_owned())),
    ];
    output.record(&lines, &json)
}

fn hold(hold: &Hold) -> String {
    let what = hold.tag.as_ref().map_or("all of it", Tag::as_str);
    format!("{what} ({}; {}, {})", hold.reason, hold.by, date(hold.since))
}

fn json_of_hold(hold: &Hold) -> Value {
    json!({ "tag": hold.tag.as_ref().map(Tag::as_str), "reason": hold.reason, "by": hold.by, "since": date(hold.since) })
}

fn tags(context: &Context, name: &RepositoryName, output: &Output) -> anyhow::Result<()> {
    let tags = context.administer(async |admin, permit| {
        let page =
            async |last: Option<&TaggedManifest>| admin.tags(permit, name, last.map(|last| &last.tag), PAGE).await;
        Ok(every(page).await?)
    })?;
    let row = |tagged: &TaggedManifest| {
        let pulled = tagged.last_pull.as_ref().map_or_else(|| "-".to_owned(), |(at, by)| format!("{} {by}", date(*at)));
        vec![tagged.tag.to_string(), tagged.digest.to_string(), date(tagged.updated_at), pulled]
    };
    let json = |tagged: &TaggedManifest| {
        json!({
            "tag": tagged.tag.as_str(),
            "digest": tagged.digest.to_string(),
            "updated_at": date(tagged.updated_at),
            "pulled_at": tagged.last_pull.as_ref().map(|(at, _)| date(*at)),
            "pulled_by": tagged.last_pull.as_ref().map(|(_, by)| by),
        })
    };
    let rows: Vec<Vec<String>> = tags.iter().map(row).collect();
    output.table(&["TAG", "DIGEST", "UPDATED", "LAST PULL"], &rows, &tags.iter().map(json).collect())
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
