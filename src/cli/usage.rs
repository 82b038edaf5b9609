//! `portcullis usage`: how much is stored, by top-level namespace.

use serde_json::{Value, json};

use super::context::Context;
use super::output::Output;
use super::quota;
use super::repo::sizes_json;
use crate::admin::NamespaceUsage;
use crate::domain::{Amount, Glob};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these repositories: `*` matches within a segment, `**` across segments; quote it
    #[arg(value_name = "GLOB", conflicts_with = "recount")]
    on: Option<Glob>,
    /// Count what every quota covers once more, and tell by how much each was wrong
    #[arg(long)]
    recount: bool,
}

pub(super) fn run(context: &Context, args: &Args, output: &Output) -> anyhow::Result<()> {
    if args.recount {
        let quotas = context.administer(async |admin, permit| Ok(admin.recount_quotas(permit, |_| ()).await?))?;
        return quota::table(&quotas, output);
    }
    let usage = context.administer(async |admin, permit| Ok(admin.usage(permit, args.on.as_ref()).await?))?;
    let all: u64 = usage.iter().map(|namespace| namespace.sizes.unique).sum();
    let rows: Vec<Vec<String>> = usage.iter().map(|namespace| row(namespace, all)).collect();
    let headings = ["NAMESPACE", "REPOSITORIES", "LOGICAL", "UNIQUE", "FREED BY REMOVAL", "QUOTA", ""];
    output.table(&headings, &rows, &usage.iter().map(to_json).collect())
}

/// With a bar: of the namespace's quota, or of all that is shown where it has none.
fn row(namespace: &NamespaceUsage, all: u64) -> Vec<String> {
    let sizes = &namespace.sizes;
    let (quota, bar) = match &namespace.quota {
        Some(quota) => (Amount(quota.limit).to_string(), quota::bar(quota.used, quota.limit)),
        None => ("-".to_owned(), format!("{} of all", quota::bar(sizes.unique, all))),
    };
    let bytes = [sizes.logical, sizes.unique, sizes.own].map(|bytes| Amount(bytes).to_string());
    [vec![namespace.name.clone(), namespace.repositories.to_string()], bytes.to_vec(), vec![quota, bar]].concat()
}

fn to_json(namespace: &NamespaceUsage) -> Value {
    let mut json = sizes_json(&namespace.sizes);
    json["namespace"] = namespace.name.as_str().into();
    json["repositories"] = namespace.repositories.into();
    json["quota"] =
        namespace.quota.as_ref().map_or(Value::Null, |quota| json!({ "limit": quota.limit, "used": quota.used }));
    json
}
