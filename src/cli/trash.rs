//! `portcullis trash`: what was deleted and can be restored.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{Output, date};
use crate::admin::{DeletedItem, Restored};
use crate::config::parse_duration;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List what was deleted and can be restored
    List,
    /// Restore an entry of the trash
    Restore {
        /// Its number, as listed
        id: i64,
    },
    /// Remove for good what is in the trash, before its time
    Empty {
        /// Only what was deleted this long ago or earlier, such as 2d
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0s")]
        older: Duration,
    },
}

pub(super) fn run(context: &Context, verb: &Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::List => list(context, output),
        Verb::Restore { id } => {
            let restored =
                context.administer(async |admin, permit| Ok(admin.restore_from_trash(permit, *id).await?))?;
            tell(&restored, output)
        }
        Verb::Empty { older } => empty(context, *older, output),
    }
}

fn list(context: &Context, output: &Output) -> anyhow::Result<()> {
    let items = context.administer(async |admin, permit| Ok(admin.trash(permit).await?))?;
    let row = |item: &DeletedItem| {
        let kind = item.part_of.map_or_else(|| item.kind.to_owned(), |other| format!("{} of {other}", item.kind));
        let (deleted, until) = (date(item.deleted_at), date(item.until));
        vec![
            item.id.to_string(),
            kind,
            item.name.to_string(),
            deleted,
            item.deleted_by.clone(),
            item.cause.clone(),
            until,
        ]
    };
    let rows: Vec<Vec<String>> = items.iter().map(row).collect();
    output.table(&["ID", "KIND", "NAME", "DELETED", "BY", "WHY", "UNTIL"], &rows, &items.iter().map(json_of).collect())
}

fn json_of(item: &DeletedItem) -> Value {
    json!({
        "id": item.id, "kind": item.kind, "name": item.name.to_string(), "digest": item.digest, "part_of": item.part_of,
        "deleted_at": date(item.deleted_at), "deleted_by": item.deleted_by, "cause": item.cause, "until": date(item.until),
    })
}

/// Says what is there again.
pub(super) fn tell(restored: &Restored, output: &Output) -> anyhow::Result<()> {
    let Restored { name, target, left_out } = restored;
    let text = match target {
        None => format!("restored {name}"),
        Some((to, None)) => format!("restored {name}: it points to {to}"),
        Some((to, Some(from))) => format!("restored {name}: it points to {to}, no more to {from}"),
    };
    let left = left_out
        .iter()
        .map(|tag| format!("the tag {tag} points elsewhere now, and stays there: its entry is still in the trash"));
    let text = std::iter::once(text).chain(left).collect::<Vec<_>>().join(
        "
",
    );
    let (to, from) = target.clone().unzip();
    output.done(
        &text,
        &json!({
            "restored": name.to_string(), "digest": to.map(|to| to.to_string()),
            "before": from.flatten().map(|from| from.to_string()),
            "left_out": left_out.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    )
}

fn empty(context: &Context, older: Duration, output: &Output) -> anyhow::Result<()> {
    let emptied = context.administer(async |admin, permit| Ok(admin.empty_trash(permit, older, |_| ()).await?))?;
    let held = if emptied.held > 0 { format!("; {} stay, because they are held", emptied.held) } else { String::new() };
    let text = format!(
        "removed {} entries of the trash{held}; the space of what nothing else needs is free after gc.grace, or with `portcullis gc --now`",
        emptied.removed
    );
    output.done(&text, &json!({ "removed": emptied.removed, "held": emptied.held }))
}
