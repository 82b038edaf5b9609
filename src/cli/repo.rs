//! `portcullis repo`: the repositories.

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::output::{Output, date};
use crate::domain::RepositoryName;
use crate::storage::coordination::SEEN_WITHIN;
use crate::storage::metadata::Metadata;

/// How many rows are read at a time.
const STEP: u32 = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// All repositories
    List,
    /// One repository: what is in it
    Show {
        /// Its name
        name: RepositoryName,
    },
    /// The tags of a repository
    Tags {
        /// Its name
        name: RepositoryName,
    },
    /// Remove a repository with its tags and manifests
    Remove {
        /// Its name
        name: RepositoryName,
    },
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::List => context.with_metadata(async |store| list(&*store, output).await),
        Verb::Show { name } => context.with_metadata(async |store| show(&*store, &name, output).await),
        Verb::Tags { name } => context.with_metadata(async |store| tags(&*store, &name, output).await),
        Verb::Remove { name } => context.with_metadata(async |store| {
            if !store.remove_repository(&name).await? {
                return unknown(&name);
            }
            tokio::time::sleep(SEEN_WITHIN).await;
            output.done(&format!("removed repository {name}"), &json!({ "removed": name.as_str() }))
        }),
    }
}

async fn list(store: &dyn Metadata, output: &Output) -> anyhow::Result<()> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let step = store.repositories(names.last().map(String::as_str), STEP).await?;
        if step.is_empty() {
            break;
        }
        names.extend(step.iter().map(ToString::to_string));
    }
    let rows: Vec<Vec<String>> = names.iter().map(|name| vec![name.clone()]).collect();
    output.table(&["NAME"], &rows, &json!(names))
}

async fn show(store: &dyn Metadata, name: &RepositoryName, output: &Output) -> anyhow::Result<()> {
    let Some(summary) = store.repository_summary(name).await? else {
        return unknown(name);
    };
    output.record(
        &[
            ("name", summary.name.to_string()),
            ("tags", summary.tags.to_string()),
            ("manifests", summary.manifests.to_string()),
            ("blobs", summary.blobs.to_string()),
            ("bytes", summary.bytes.to_string()),
            ("since", date(summary.created_at)),
        ],
        &json!({
            "name": summary.name.as_str(),
            "tags": summary.tags,
            "manifests": summary.manifests,
            "blobs": summary.blobs,
            "bytes": summary.bytes,
            "created_at": date(summary.created_at),
        }),
    )
}

async fn tags(store: &dyn Metadata, name: &RepositoryName, output: &Output) -> anyhow::Result<()> {
    let mut tags = Vec::new();
    loop {
        let last = tags.last().map(|record: &crate::storage::metadata::TagRecord| record.tag.as_str());
        let Some(step) = store.tags(name, last, STEP).await? else {
            return unknown(name);
        };
        if step.is_empty() {
            break;
        }
        tags.extend(step);
    }
    let rows: Vec<Vec<String>> = tags
        .iter()
        .map(|record| vec![record.tag.to_string(), record.digest.to_string(), date(record.updated_at)])
        .collect();
    let json = tags
        .iter()
        .map(|record| {
            json!({ "tag": record.tag.as_str(), "digest": record.digest.to_string(), "updated_at": date(record.updated_at) })
        })
        .collect();
    output.table(&["TAG", "DIGEST", "MOVED"], &rows, &json)
}

fn unknown(name: &RepositoryName) -> anyhow::Result<()> {
    bail!("there is no repository {name}: see `portcullis repo list`")
}
