//! `portcullis quota`: manages how much repositories may hold.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{Output, date};
use crate::admin::{Quota, QuotaProgress};
use crate::config::{ByteSize, parse_size};
use crate::domain::{Amount, Glob};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Set how many bytes the repositories of a pattern may hold together; shared layers count once
    Set {
        /// Repositories: `*` matches within a segment, `**` across segments; quote it
        #[arg(long, value_name = "GLOB")]
        on: Glob,
        /// For example 500MiB, 20GiB or 1TB
        #[arg(value_parser = parse_size)]
        size: ByteSize,
    },
    /// List all quotas, with what is used of each
    List,
    /// Remove a quota
    Remove {
        /// The pattern exactly as it was set
        #[arg(long, value_name = "GLOB")]
        on: Glob,
    },
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::Set { on, size } => {
            let set = context.administer(async |admin, permit| {
                admin.set_quota(permit, &on, size.bytes(), |_| ()).await?;
                Ok(admin.quotas(permit).await?.into_iter().find(|quota| quota.on == on))
            })?;
            let Some(quota) = set else { anyhow::bail!("the quota on {on} was removed by someone else meanwhile") };
            output.done(&told(&quota), &to_json(&quota))
        }
        Verb::List => {
            let quotas = context.administer(async |admin, permit| Ok(admin.quotas(permit).await?))?;
            table(&quotas, output)
        }
        Verb::Remove { on } => {
            context.administer(async |admin, permit| Ok(admin.remove_quota(permit, &on, |_| ()).await?))?;
            output.done(&format!("removed the quota on {on}"), &json!({ "removed": on.as_str() }))
        }
    }
}

fn told(quota: &Quota) -> String {
    let (on, limit, used) = (&quota.on, Amount(quota.limit), Amount(quota.used));
    if quota.used > quota.limit {
        return format!(
            "{on} may hold {limit} and holds {used}: pushes that add content are refused until enough is deleted"
        );
    }
    format!("{on} may hold {limit}; {used} are used")
}

/// Quotas as a table, in which the last column is how wrong they were when they were counted again.
pub(super) fn table(quotas: &[Quota], output: &Output) -> anyhow::Result<()> {
    let row = |quota: &Quota| {
        let state = match quota.progress {
            QuotaProgress::Counted => {
                quota.drift.map_or_else(String::new, |drift| format!("counted again: off by {drift} bytes"))
            }
            QuotaProgress::Counting => "being counted".to_owned(),
            QuotaProgress::Recounting => "being counted again".to_owned(),
        };
        vec![
            quota.on.to_string(),
            Amount(quota.limit).to_string(),
            Amount(quota.used).to_string(),
            bar(quota.used, quota.limit),
            state,
        ]
    };
    let rows: Vec<Vec<String>> = quotas.iter().map(row).collect();
    output.table(&["ON", "LIMIT", "USED", "", "STATE"], &rows, &quotas.iter().map(to_json).collect())
}

/// Twenty characters and a percentage.
pub(super) fn bar(used: u64, limit: u64) -> String {
    const WIDTH: u128 = 20;
    let (used, limit) = (u128::from(used), u128::from(limit.max(1)));
    let full = usize::try_from((used * WIDTH / limit).min(WIDTH)).unwrap_or_default();
    let empty = usize::try_from(WIDTH).unwrap_or_default() - full;
    format!("[{}{}] {:>3} %", "#".repeat(full), ".".repeat(empty), used * 100 / limit)
}

pub(super) fn to_json(quota: &Quota) -> Value {
    let state = match quota.progress {
        QuotaProgress::Counted => "counted",
        QuotaProgress::Counting => "counting",
        QuotaProgress::Recounting => "recounting",
    };
    json!({
        "on": quota.on.as_str(),
        "limit": quota.limit,
        "used": quota.used,
        "state": state,
        "drift": quota.drift,
        "created_at": date(quota.created_at),
        "counted_at": quota.counted_at.map(date),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_at_its_limit_and_no_longer_beyond() {
        assert_eq!(bar(0, 100), "[....................]   0 %");
        assert_eq!(bar(50, 100), "[##########..........]  50 %");
        assert_eq!(bar(250, 100), "[####################] 250 %");
        assert_eq!(bar(0, 0), "[....................]   0 %");
    }
}
