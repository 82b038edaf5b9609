//! `portcullis immutable`: tags that clients may not move or delete.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{Output, date};
use crate::admin::ListedRule;
use crate::domain::{Glob, ImmutableRule, TagPattern, TimeSpan};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a rule after all others; the last rule that matches a tag decides
    Add(AddArgs),
    /// List the rules in the order in which they apply
    List,
    /// Remove a rule
    Remove {
        /// Its number, as `immutable list` shows it
        id: i64,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// Repositories: `*` matches within a segment, `**` across segments; quote it
    #[arg(long, value_name = "GLOB")]
    on: Glob,
    /// Tags: `*` matches any characters; quote it
    #[arg(long, value_name = "PATTERN")]
    tags: TagPattern,
    /// An exception: these tags may be moved and deleted although an earlier rule forbids it
    #[arg(long, conflicts_with_all = ["after", "allow_retention"])]
    mutable: bool,
    /// For how long after a push a tag may still be corrected, such as 24h
    #[arg(long, value_name = "DURATION")]
    after: Option<TimeSpan>,
    /// Let retention rules remove these tags all the same
    #[arg(long)]
    allow_retention: bool,
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::Add(AddArgs { on, tags, mutable, after, allow_retention: expires }) => {
            let after = after.filter(|after| after.seconds() > 0);
            let rule = ImmutableRule { id: 0, on, tags, mutable, after, expires };
            let rule =
                context.administer(async |admin, permit| Ok(admin.add_immutable_rule(permit, rule.clone()).await?))?;
            let (ImmutableRule { id, on, tags, .. }, mode) = (&rule, mode(&rule));
            output.done(&format!("rule {id}: on {on}, tags {tags} are {mode}"), &rule_json(&rule))
        }
        Verb::List => {
            let records = context.administer(async |admin, permit| Ok(admin.immutable_rules(permit).await?))?;
            list(&records, output)
        }
        Verb::Remove { id } => {
            context.administer(async |admin, permit| Ok(admin.remove_immutable_rule(permit, id).await?))?;
            output.done(&format!("removed rule {id}"), &json!({ "removed": id }))
        }
    }
}

fn mode(rule: &ImmutableRule) -> String {
    let mode = match rule.after {
        _ if rule.mutable => "mutable".to_owned(),
        None => "immutable".to_owned(),
        Some(after) => format!("immutable after {after}"),
    };
    if rule.expires { format!("{mode}, but for retention") } else { mode }
}

fn list(records: &[ListedRule<ImmutableRule>], output: &Output) -> anyhow::Result<()> {
    let row = |record: &ListedRule<ImmutableRule>| {
        let rule = &record.rule;
        let (id, on, tags) = (rule.id.to_string(), rule.on.to_string(), rule.tags.to_string());
        vec![id, on, tags, mode(rule), date(record.created_at), record.created_by.clone()]
    };
    let json = |record: &ListedRule<ImmutableRule>| {
        let mut json = rule_json(&record.rule);
        json["created_at"] = date(record.created_at).into();
        json["created_by"] = record.created_by.as_str().into();
        json
    };
    let rows: Vec<_> = records.iter().map(row).collect();
    output.table(&["ID", "ON", "TAGS", "MODE", "CREATED", "BY"], &rows, &records.iter().map(json).collect())
}

fn rule_json(rule: &ImmutableRule) -> Value {
    json!({
        "id": rule.id,
        "on": rule.on.as_str(),
        "tags": rule.tags.as_str(),
        "mode": if rule.mutable { "mutable" } else { "immutable" },
        "after": rule.after.map(|after| after.to_string()),
        "allow_retention": rule.expires,
    })
}
