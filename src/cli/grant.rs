//! `portcullis grant`: who may do what where.

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::output::Output;
use super::user::found;
use crate::auth::Policy;
use crate::domain::{Action, Actions, Glob, Grantee, RepositoryName};
use crate::storage::metadata::{GrantRecord, Metadata};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Allow actions on repositories; they are added to what was allowed there before
    Add {
        /// user:NAME, authenticated or anonymous
        #[arg(long, value_name = "WHO")]
        to: Grantee,
        /// Which repositories: `*` within a segment, `**` across; quote it
        #[arg(long, value_name = "GLOB")]
        on: Glob,
        /// pull, push, delete; comma separated
        #[arg(long, value_name = "ACTIONS")]
        allow: Actions,
    },
    /// Take back all that was allowed by a pattern
    Remove {
        /// user:NAME, authenticated or anonymous
        #[arg(long, value_name = "WHO")]
        to: Grantee,
        /// The pattern as it was given
        #[arg(long, value_name = "GLOB")]
        on: Glob,
    },
    /// All grants, or those of one grantee or pattern
    List {
        /// Only these
        #[arg(long, value_name = "WHO")]
        to: Option<Grantee>,
        /// Only these
        #[arg(long, value_name = "GLOB")]
        on: Option<Glob>,
    },
    /// Whether somebody may do something, and why
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
        Verb::Add { to, on, allow } => {
            context.with_metadata(async |store| add(&*store, GrantRecord { to, on, allow }, output).await)
        }
        Verb::Remove { to, on } => context.with_metadata(async |store| {
            if !store.remove_grant(&to, &on).await? {
                bail!("{to} has no grant on {on}: see `portcullis grant list --to {to}`; nothing was changed");
            }
            output.done(
                &format!("removed the grant to {to} on {on}"),
                &json!({ "to": to.to_string(), "on": on.as_str() }),
            )
        }),
        Verb::List { to, on } => context.with_metadata(async |store| {
            let mut grants = store.grants().await?;
            grants.retain(|grant| {
                to.as_ref().is_none_or(|to| grant.to == *to) && on.as_ref().is_none_or(|on| grant.on == *on)
            });
            list(&grants, output)
        }),
        Verb::Explain { who, action, repository } => {
            let personal = context.config()?.auth.personal_namespaces;
            context.with_metadata(async |store| {
                let policy = Policy::load(&*store, personal).await?;
                let explanation = policy.explain(&who, action, &repository);
                let text = explanation.to_string();
                output.done(&text, &json!({ "allowed": explanation.is_allowed(), "explanation": text }))
            })
        }
    }
}

async fn add(store: &dyn Metadata, grant: GrantRecord, output: &Output) -> anyhow::Result<()> {
    match &grant.to {
        Grantee::User(name) => found(store.user(name).await?.is_some(), name)?,
        Grantee::Group(_) | Grantee::Robot(_) => {
            bail!("there are no groups and robots yet: grant to user:NAME; nothing was changed")
        }
        Grantee::Authenticated | Grantee::Anonymous => {}
    }
    if grant.to == Grantee::Anonymous && grant.allow != Actions::from(Action::Pull) {
        bail!("anonymous may be granted pull alone: whoever pushes or deletes must log in; nothing was changed");
    }
    store.add_grant(grant.clone()).await?;
    let GrantRecord { to, on, allow } = grant;
    output.done(
        &format!("{to} may {allow} on {on}"),
        &json!({ "to": to.to_string(), "on": on.as_str(), "allow": allow.to_string() }),
    )
}

fn list(grants: &[GrantRecord], output: &Output) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> =
        grants.iter().map(|grant| vec![grant.to.to_string(), grant.on.to_string(), grant.allow.to_string()]).collect();
    let json = grants
        .iter()
        .map(|grant| json!({ "to": grant.to.to_string(), "on": grant.on.as_str(), "allow": grant.allow.to_string() }))
        .collect();
    output.table(&["TO", "ON", "ALLOW"], &rows, &json)
}
