//! The configuration: what is wrong with it.

use crate::config::{ConfigErrors, Loaded};
use crate::doctor::finding::Finding;

const CHECK: &str = "config";

/// What is wrong with the configuration. `has_fallback` says that the other checks run with one that leaves the file out.
pub(crate) fn check(loaded: &Result<Loaded, ConfigErrors>, has_fallback: bool) -> Vec<Finding> {
    match loaded {
        Ok(loaded) => valid(loaded),
        Err(errors) => invalid(errors, has_fallback),
    }
}

fn valid(loaded: &Loaded) -> Vec<Finding> {
    let file = loaded.file.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    let mut findings = vec![Finding::ok(CHECK, format!("the configuration is valid ({file})"))];
    findings.extend(loaded.warnings.iter().map(|warning| {
        Finding::warning(
            CHECK,
            warning,
            "it looks like a setting and has no effect",
            "correct or unset the variable; `portcullis config show` lists every key",
        )
    }));
    findings
}

fn invalid(errors: &ConfigErrors, has_fallback: bool) -> Vec<Finding> {
    let mut findings: Vec<Finding> = errors
        .iter()
        .map(|error| {
            Finding::problem(
                CHECK,
                error.to_string(),
                "the server does not start with it",
                "correct that key; `portcullis config default` explains each one",
            )
        })
        .collect();
    if has_fallback {
        findings.push(Finding::warning(
            CHECK,
            "the following checks use flags, variables and defaults alone",
            "the data directory and the port may be others once the configuration is valid",
            "fix the configuration, then run doctor again",
        ));
    }
    findings
}
