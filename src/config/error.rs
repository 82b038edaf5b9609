//! What can be wrong with a configuration: always what, where, and what to do.

use std::{error::Error, fmt, io, path::PathBuf, sync::Arc};

use super::provenance::Source;

/// One thing that the operator has to fix.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there, or was asked for by name, and cannot be read.
    #[error("{}: cannot be read: {reason}; name another file with --config or PORTCULLIS_CONFIG", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: Arc<io::Error>,
    },
    /// The file is larger than any configuration, or holds no text.
    #[error("{}: {problem}: this is not a Portcullis configuration", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// The file is not TOML.
    #[error("{at}: {problem}")]
    Syntax {
        /// File and line.
        at: Source,
        /// What the parser expected.
        problem: String,
    },
    /// A key or section that does not exist.
    #[error("{at}: unknown key {key}; the nearest known one is {nearest}")]
    UnknownKey {
        /// File and line.
        at: Source,
        /// The key with its section.
        key: String,
        /// The known key or section with the most similar name.
        nearest: String,
    },
    /// A variable that starts like a section's and belongs to no key.
    #[error("unknown environment variable {variable}; the nearest known one is {nearest}")]
    UnknownVariable {
        /// The variable's name.
        variable: String,
        /// The known variable with the most similar name.
        nearest: String,
    },
    /// A value of the wrong type, out of its bounds, or at odds with another.
    #[error("{at}: {key}: {problem}")]
    Value {
        /// File and line, variable, or flag.
        at: Source,
        /// The key with its section.
        key: String,
        /// What is wrong and what is expected.
        problem: String,
    },
    /// No data directory is set.
    #[error("no data directory: HOME is not set; name one with --data, PORTCULLIS_DATA or data_dir")]
    NoDataDir,
}

impl ConfigError {
    /// The line of the file that is meant; errors without one sort behind all lines.
    fn line(&self) -> usize {
        match self {
            Self::Unreadable { .. } | Self::NotText { .. } => 0,
            Self::Syntax { at, .. } | Self::UnknownKey { at, .. } | Self::Value { at, .. } => match at {
                Source::File { line, .. } => *line,
                _ => usize::MAX,
            },
            Self::UnknownVariable { .. } | Self::NoDataDir => usize::MAX,
        }
    }
}

/// All that is wrong: first the file from top to bottom, then what has no line; never empty.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// `Err` with the errors, if there are any.
    pub(super) fn unless_empty(mut errors: Vec<ConfigError>) -> Result<(), Self> {
        errors.sort_by_key(ConfigError::line);
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    /// The single errors.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

/// One line each.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}
