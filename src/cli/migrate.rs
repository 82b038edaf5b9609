//! `portcullis migrate`: the schema of the database over upgrades.

use clap::Subcommand;
use serde_json::json;

use super::context::{Context, block_on};
use super::output::Output;
use crate::doctor::server::{Holder, holder};
use crate::node::schema::{SchemaReport, database, finalize, schema_report, upgrade};

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the schema of the database, what an upgrade does to it, and the copies made before upgrades; changes nothing
    Status,
    /// Bring the schema up to date now; the next start of a server does the same
    Run,
    /// Remove what only the version before needs, once every node runs this one; versions that need it are refused from then on
    Finalize,
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    let (config, data) = (context.config()?, context.data_directory()?);
    match verb {
        Verb::Status => {
            let idle = matches!(holder(&data.lock_file()), Holder::None);
            show(&block_on(async { Ok(schema_report(&config, idle).await?) })?, output)
        }
        Verb::Run => {
            let steps = block_on(async { Ok(upgrade(&config).await?) })?;
            done(&steps, "the schema is up to date", &database(&config), output)
        }
        Verb::Finalize => {
            let steps = block_on(finalize(&config))?;
            done(&steps, "the schema is finalized", &database(&config), output)
        }
    }
}

fn show(report: &SchemaReport, output: &Output) -> anyhow::Result<()> {
    let SchemaReport { database, schema, copies } = report;
    let number = schema.schema.map_or_else(|| "none".to_owned(), |number| number.to_string());
    let mut lines = vec![
        ("database", database.clone()),
        ("schema", format!("{number}; this version knows schemas up to {}", schema.known)),
        ("to run", listed(&schema.pending)),
        ("to finalize", listed(&schema.to_finalize)),
    ];
    if !schema.unknown.is_empty() {
        let steps: Vec<String> = schema.unknown.iter().map(ToString::to_string).collect();
        lines.push(("of a newer version", steps.join(", ")));
    }
    if schema.min_schema > 0 {
        lines.push(("refused", format!("versions that do not know schema {}", schema.min_schema)));
    }
    for copy in copies {
        let (path, schema, until, bytes) = (copy.path.display(), copy.schema, copy.kept_until(), copy.bytes);
        lines.push(("copy", format!("{path}, schema {schema}, {bytes} bytes, kept until {until}")));
    }
    let copies: Vec<_> = copies
        .iter()
        .map(|copy| {
            json!({
                "path": copy.path.display().to_string(), "schema": copy.schema, "bytes": copy.bytes,
                "made_at": copy.made_at.to_string(), "kept_until": copy.kept_until().to_string(),
            })
        })
        .collect();
    output.record(
        &lines,
        &json!({
            "database": database, "schema": schema.schema, "known": schema.known, "to_run": schema.pending,
            "to_finalize": schema.to_finalize, "of_newer_versions": schema.unknown, "min_schema": schema.min_schema,
            "min_version": schema.min_version, "refuses_this_version": schema.refuses(), "copies": copies,
        }),
    )
}

fn listed(steps: &[String]) -> String {
    if steps.is_empty() { "nothing".to_owned() } else { steps.join(", ") }
}

fn done(steps: &[String], state: &str, database: &str, output: &Output) -> anyhow::Result<()> {
    let text = if steps.is_empty() {
        format!("{state}: {database}; no step was missing")
    } else {
        format!("{state}: {database}; done: {}", steps.join(", "))
    };
    output.done(&text, &json!({ "database": database, "done": steps }))
}
