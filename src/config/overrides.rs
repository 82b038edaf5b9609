//! What the command line says, which wins over everything else.

use std::{net::SocketAddr, path::PathBuf};

use super::{error::ConfigError, provenance::Source};

/// The flags that touch the configuration, as parsed by the command line. Variables are not to be mixed in there:
/// `config show` tells a flag from a variable.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// `--data DIR`.
    pub data: Option<PathBuf>,
    /// `--listen ADDR:PORT`.
    pub listen: Option<SocketAddr>,
    /// Every `--host NAME`; without one, variable and file decide.
    pub hosts: Vec<String>,
}

/// A flag that was given, with the text that its key reads.
pub(super) struct Flag {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) text: String,
}

impl Overrides {
    /// The flags that were given. A path that is not UTF-8 is an error, since no file could name it either.
    pub(super) fn flags(&self, errors: &mut Vec<ConfigError>) -> Vec<Flag> {
        let mut flags = Vec::new();
        match self.data.as_ref().map(|data| data.to_str()) {
            Some(Some(text)) => flags.push(Flag { key: "data_dir", name: "--data", text: text.to_owned() }),
            Some(None) => errors.push(refused("--data", "data_dir", "the path is not UTF-8: choose another")),
            None => {}
        }
        if let Some(listen) = self.listen {
            flags.push(Flag { key: "server.listen", name: "--listen", text: listen.to_string() });
        }
        if self.hosts.iter().any(|host| host.trim().is_empty()) {
            errors.push(refused("--host", "server.hosts", "the name is empty: write --host NAME"));
        } else if !self.hosts.is_empty() {
            flags.push(Flag { key: "server.hosts", name: "--host", text: self.hosts.join(",") });
        }
        flags
    }
}

fn refused(name: &'static str, key: &str, problem: &str) -> ConfigError {
    ConfigError::Value { at: Source::Flag { name }, key: key.to_owned(), problem: problem.to_owned() }
}
