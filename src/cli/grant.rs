//! `portcullis grant`: manages access grants.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::output::Output;
use crate::admin::Grant;
use crate::domain::{Action, Actions, Glob, Grantee, RepositoryName};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Allow actions on repositories, in addition to those already granted on the same pattern
    Add {
        /// user:NAME, authenticated or anonymous
        #[arg(long, value_name = "WHO")]
        to: Grantee,
        /// Repositories: `*` matches within a segment, `**` across segments; quote it
        #[arg(long, value_name = "GLOB")]
        on: Glob,
        /// pull, push, delete; comma separated
        #[arg(long, value_name = "ACTIONS")]
        allow: Actions,
    },
    /// Revoke every action granted on a pattern
    Remove {
        /// user:NAME, authenticated or anonymous
        #[arg(long, value_name = "WHO")]
        to: Grantee,
        /// The pattern exactly as it was granted
        #[arg(long, value_name = "GLOB")]
        on: Glob,
    },
    /// List all grants, or those of one grantee or pattern
    List {
        /// Only grants to this grantee
        #[arg(long, value_name = "WHO")]
        to: Option<Grantee>,
        /// Only grants on this pattern
        #[arg(long, value_name = "GLOB")]
        on: Option<Glob>,
    },
    /// Explain whether someone may do something, and why
    Explain {
        /// user:NAME, authenticated or anonymous
        #[arg(value_name = "WHO")]
        who: Grantee,
        /// pull, push or delete
        action: Action,
        /// The repository; it need not exist
        repository: RepositoryName,
    },
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::Add { to, on, allow } => add(context, &Grant { to, on, allow }, output),
        Verb::Remove { to, on } => {
            context.administer(async |admin, permit| Ok(admin.remove_grant(permit, &to, &on).await?))?;
            let json = json!({ "to": to.to_string(), "on": on.as_str() });
            output.done(&format!("removed the grant to {to} on {on}"), &json)
        }
        Verb::List { to, on } => {
            let grants =
                context.administer(async |admin, permit| Ok(admin.grants(permit, to.as_ref(), on.as_ref()).await?))?;
            list(&grants, output)
        }
        Verb::Explain { who, action, repository } => {
            let explanation = context
                .administer(async |admin, permit| Ok(admin.explain(permit, &who, action, &repository).await?))?;
            let text = explanation.to_string();
            output.done(&text, &json!({ "allowed": explanation.is_allowed(), "explanation": text }))
        }
    }
}

fn add(context: &Context, grant: &Grant, output: &Output) -> anyhow::Result<()> {
    context.administer(async |admin, permit| Ok(admin.add_grant(permit, grant.clone()).await?))?;
    output.done(&format!("{} may {} on {}", grant.to, grant.allow, grant.on), &to_json(grant))
}

fn list(grants: &[Grant], output: &Output) -> anyhow::Result<()> {
    let row = |grant: &Grant| vec![grant.to.to_string(), grant.on.to_string(), grant.allow.to_string()];
    let rows: Vec<Vec<String>> = grants.iter().map(row).collect();
    output.table(&["TO", "ON", "ALLOW"], &rows, &grants.iter().map(to_json).collect())
}

fn to_json(grant: &Grant) -> Value {
    json!({ "to": grant.to.to_string(), "on": grant.on.as_str(), "allow": grant.allow.to_string() })
}
