//! The configuration: what is wrong in it, and what to go on with nevertheless.

use super::InvalidConfig;
use crate::config::{Config, Loaded};
use crate::doctor::finding::Finding;

const CHECK: &str = "config";

pub(crate) fn check(loaded: Result<Loaded, InvalidConfig>) -> (Vec<Finding>, Option<Config>) {
    let InvalidConfig { errors, fallback: config } = match loaded {
        Ok(loaded) => {
            let file = loaded.file.map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
            let mut findings = vec![Finding::ok(CHECK, format!("the configuration is valid ({file})"))];
            findings.extend(loaded.warnings.iter().map(|warning| {
                Finding::warning(
                    CHECK,
                    warning,
                    "somebody meant to set something, and nothing is set",
                    "correct or unset the variable; `portcullis config show` names every key",
                )
            }));
            return (findings, Some(loaded.config));
        }
        Err(invalid) => invalid,
    };
    let mut findings: Vec<Finding> = errors
        .iter()
        .map(|error| {
            Finding::problem(
                CHECK,
                error.to_string(),
                "the server does not start with it",
                "correct that key; `portcullis config default` explains each",
            )
        })
        .collect();
    if config.is_some() {
        findings.push(Finding::warning(
            CHECK,
            "what follows goes by flags, variables and defaults alone",
            "the data directory and the port may be others once the configuration is read again",
            "mend the configuration, then run doctor again",
        ));
    }
    (findings, config)
}
