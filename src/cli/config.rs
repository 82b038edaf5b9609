//! `portcullis config`: checks and shows the configuration.

use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::output::Output;
use crate::config;

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Verb {
    /// Check the configuration, and print every error with its line and key
    Check,
    /// Show every setting with its value and where it comes from
    Show,
    /// Print a sample configuration: every setting with its default
    Default,
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::Check => {
            let loaded = context.load_with(|_| ())?;
            let file = loaded.file.map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
            output.done(&format!("the configuration is valid ({file})"), &json!({ "valid": true, "file": file }))
        }
        Verb::Show => {
            let provenance = context.load_with(|_| ())?.provenance;
            let rows: Vec<Vec<String>> = provenance
                .entries()
                .iter()
                .map(|entry| vec![entry.key.clone(), entry.value.to_string(), entry.source.to_string()])
                .collect();
            output.table(&["KEY", "VALUE", "SOURCE"], &rows, &provenance.to_json())
        }
        Verb::Default => output.raw(config::sample().as_bytes()),
    }
}
