//! The rules of loading, tested through [`Config::load`] and [`Config::parse`] only.

mod errors;
mod sample;
mod sources;

use std::path::Path;

use super::{Config, ConfigErrors, Environment, Loaded, Overrides};

/// A home, so that there is a default for the data.
const HOME: (&str, &str) = ("HOME", "/home/op");

/// Loads `text` as `/etc/c.toml` with these variables and no flags.
fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let environment = Environment::of_variables([HOME].iter().chain(variables).copied());
    Config::parse(Path::new("/etc/c.toml"), text.as_bytes(), &Overrides::default(), &environment)
}

/// The lines of the errors that `text` and the variables lead to.
fn errors(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let errors = load(text, variables).expect_err("an error was expected");
    errors.iter().map(ToString::to_string).collect()
}
