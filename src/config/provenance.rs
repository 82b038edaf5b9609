//! Where each value in force comes from: what `config show` prints.
//!
//! No key holds a secret (keys and certificates are named by their paths), so all of it may be shown.

use std::{fmt, path::PathBuf};

use serde::Serialize;

/// The place that set a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// Not set by the operator.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// The variable's name.
        name: String,
    },
    /// A flag of the command line.
    Flag {
        /// The flag with its dashes.
        name: &'static str,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { name } => write!(f, "environment {name}"),
            Self::Flag { name } => write!(f, "flag {name}"),
        }
    }
}

/// One key with the value in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The key with its section, `server.listen`.
    pub key: String,
    /// The value, as a file would have it; its `Display` is TOML.
    pub value: toml::Value,
    /// Who set it.
    pub source: Source,
}

/// Every key there is, in the order of the sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Provenance(Vec<Entry>);

impl Provenance {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    /// All keys.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// One key, by its name with the section.
    #[cfg(test)]
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    /// A list of `{key, value, source: {kind, ...}}`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        // Strings, numbers, booleans and lists of these: all of them can be written as JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
}
