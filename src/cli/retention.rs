//! `portcullis retention`: which tags are kept, and the removal of all others.

use anyhow::bail;
use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{Output, date};
use super::retention_preview;
use crate::admin::{LastRun, ListedRule, Outcome, Retention, RetentionSettings};
use crate::auth::AdminPermit;
use crate::domain::retention::{Keep, KeepClauses, RetentionRule, Selection};
use crate::domain::{Glob, TagPattern};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a rule after all others; the last rule that matches a tag decides. Its first run removes nothing
    Add(AddArgs),
    /// List the rules in the order in which they apply, and how the last run ended
    List,
    /// Remove a rule
    Remove {
        /// Its number, as `retention list` shows it
        id: i64,
    },
    /// Show for each tag whether a run would keep it and why, and how many bytes would be freed
    Preview {
        /// Only what this rule decides about
        id: Option<i64>,
    },
    /// Run all rules now, as the server does once a day
    Run {
        /// Also if it removes more than 30 % of what the rules decide about
        #[arg(long)]
        confirm: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// Repositories: `*` matches within a segment, `**` across segments; quote it
    #[arg(long, value_name = "GLOB")]
    on: Glob,
    /// A reason to keep a tag, of which one is enough: newest=10, newest=10:version, pushed-within=30d, pulled-within=90d, matching=v*
    /// or signed
    #[arg(long, value_name = "CLAUSE", required = true, value_delimiter = ',')]
    keep: Vec<Keep>,
    /// Only these tags: `*` matches any characters; quote it
    #[arg(long, value_name = "PATTERN", conflicts_with = "untagged")]
    tags: Option<TagPattern>,
    /// Decide about manifests that have no tag, index or subject, instead of about tags
    #[arg(long)]
    untagged: bool,
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::Add(args) => add(context, args, output),
        Verb::List => {
            let (rules, last) =
                with(context, async |retention, _| Ok((retention.rules().await?, retention.last_run().await?)))?;
            list(&rules, last.as_ref(), output)
        }
        Verb::Remove { id } => {
            with(context, async |retention, _| Ok(retention.remove(id).await?))?;
            output.done(&format!("removed rule {id}"), &json!({ "removed": id }))
        }
        Verb::Preview { id } => {
            let previewed = with(context, async |retention, _| Ok(retention.preview(id).await?))?;
            output.document(&retention_preview::text(&previewed), &retention_preview::to_json(&previewed))
        }
        Verb::Run { confirm } => {
            let outcome = with(context, async |retention, permit| {
                Ok(retention.run(&permit.actor().principal().subject(), confirm).await?)
            })?;
            told(&outcome, output)
        }
    }
}

fn with<T>(
    context: &Context,
    work: impl AsyncFnOnce(&Retention, &AdminPermit) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let settings = RetentionSettings::of(&context.config()?);
    context.administer(async |admin, permit| work(&admin.retention(permit, settings), permit).await)
}

fn add(context: &Context, args: AddArgs, output: &Output) -> anyhow::Result<()> {
    let AddArgs { on, keep, tags, untagged } = args;
    let Some(keep) = KeepClauses::new(keep) else { bail!("a rule needs a reason to keep something: --keep CLAUSE") };
    let selects = if untagged { Selection::Untagged } else { Selection::Tags(tags.unwrap_or_else(TagPattern::all)) };
    let rule = RetentionRule { id: 0, on, selects, keep, is_rehearsed: false };
    let rule = with(context, async |retention, permit| {
        Ok(retention.add(rule.clone(), &permit.actor().principal().subject()).await?)
    })?;
    let text = format!(
        "rule {id}: on {}, {} are kept by {}; its first run removes nothing: see `portcullis retention preview {id}`",
        rule.on,
        selected(&rule),
        rule.keep,
        id = rule.id
    );
    output.done(&text, &rule_json(&rule))
}

fn selected(rule: &RetentionRule) -> String {
    match &rule.selects {
        Selection::Tags(pattern) => format!("tags {pattern}"),
        Selection::Untagged => "untagged manifests".to_owned(),
    }
}

fn list(rules: &[ListedRule<RetentionRule>], last: Option<&LastRun>, output: &Output) -> anyhow::Result<()> {
    let row = |listed: &ListedRule<RetentionRule>| {
        let rule = &listed.rule;
        let state = if rule.is_rehearsed { "in force" } else { "first run to come" };
        let (id, on, keep) = (rule.id.to_string(), rule.on.to_string(), rule.keep.to_string());
        vec![id, on, selected(rule), keep, state.to_owned(), date(listed.created_at), listed.created_by.clone()]
    };
    let rows: Vec<_> = rules.iter().map(row).collect();
    let mut text = super::output::aligned(&["ID", "ON", "DECIDES ABOUT", "KEEPS", "STATE", "CREATED", "BY"], &rows);
    if let Some(run) = last {
        let LastRun { examined, removed, waiting, ran_by, .. } = run;
        let end = if *waiting > 0 {
            format!(
                "{waiting} of {examined} wait to be removed: see `portcullis retention preview`, then `portcullis retention run --confirm`"
            )
        } else {
            format!("{removed} of {examined} removed")
        };
        text.extend(["\nlast run at ", &date(run.ran_at), " by ", ran_by, ": ", &end, "\n"]);
    }
    let json = |listed: &ListedRule<RetentionRule>| {
        let mut json = rule_json(&listed.rule);
        json["created_at"] = date(listed.created_at).into();
        json["created_by"] = listed.created_by.as_str().into();
        json
    };
    let last = last.map(|run| {
        json!({
            "ran_at": date(run.ran_at),
            "ran_by": run.ran_by,
            "examined": run.examined,
            "removed": run.removed,
            "waiting": run.waiting,
        })
    });
    output.document(&text, &json!({ "rules": rules.iter().map(json).collect::<Vec<_>>(), "last_run": last }))
}

fn rule_json(rule: &RetentionRule) -> Value {
    let tags = match &rule.selects {
        Selection::Tags(pattern) => Some(pattern.as_str()),
        Selection::Untagged => None,
    };
    json!({
        "id": rule.id,
        "on": rule.on.as_str(),
        "tags": tags,
        "untagged": rule.selects == Selection::Untagged,
        "keep": rule.keep.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "rehearsed": rule.is_rehearsed,
    })
}

/// What a run came to. One that waits for someone has failed.
fn told(outcome: &Outcome, output: &Output) -> anyhow::Result<()> {
    let Outcome { examined, tags, manifests, waiting, .. } = outcome;
    for first in &outcome.rehearsed {
        let (rule, count) = (first.rule, first.would_remove);
        output.aside(&format!(
            "rule {rule} has had its first run, which removes nothing; the next one would remove {count} of what it decides about: see \
             `portcullis retention preview {rule}`"
        ));
    }
    if *waiting > 0 {
        bail!(
            "this would remove {waiting} of {examined} tags and untagged manifests, which is more than 30 %: see `portcullis retention \
             preview`, then `portcullis retention run --confirm`; nothing was removed"
        );
    }
    for name in &outcome.skipped {
        output.aside(&format!("{name} changes all the time: the next run decides about it"));
    }
    let rehearsed =
        outcome.rehearsed.iter().map(|first| json!({ "rule": first.rule, "would_remove": first.would_remove }));
    let json = json!({
        "examined": examined,
        "removed_tags": tags,
        "removed_manifests": manifests,
        "rehearsed": rehearsed.collect::<Vec<_>>(),
        "skipped": outcome.skipped.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    output.done(&format!("removed {tags} tags and {manifests} untagged manifests of {examined}"), &json)
}
