//! The environment of the process: variables, the user, the path of the system's file.
//!
//! It is a value and not a look at the process, so that tests choose their environment and no test sees another's.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Variables with this start are ours.
pub(super) const PREFIX: &str = "PORTCULLIS_";

/// The default path of the configuration.
const SYSTEM_FILE: &str = "/etc/portcullis/portcullis.toml";

/// The default data directory of root.
pub(super) const SYSTEM_DATA: &str = "/var/lib/portcullis";

/// The surroundings that a configuration is read in.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    not_text: Vec<String>,
    root: bool,
    system_file: Option<PathBuf>,
}

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Self {
        let mut environment = Self {
            root: rustix::process::geteuid().is_root(),
            system_file: Some(PathBuf::from(SYSTEM_FILE)),
            ..Self::default()
        };
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            if !(name.starts_with(PREFIX) || name == "HOME" || name == "XDG_DATA_HOME") {
                continue;
            }
            match value.into_string() {
                Ok(value) => drop(environment.variables.insert(name, value)),
                Err(_) => environment.not_text.push(name),
            }
        }
        environment
    }

    /// Only these variables, an ordinary user, and no system file.
    pub fn of_variables<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { variables: variables.collect(), ..Self::default() }
    }

    /// The same for root.
    #[must_use]
    pub fn as_root(self) -> Self {
        Self { root: true, ..self }
    }

    /// The same with this file instead of `/etc/portcullis/portcullis.toml`.
    #[must_use]
    pub fn with_system_file(self, path: impl Into<PathBuf>) -> Self {
        Self { system_file: Some(path.into()), ..self }
    }

    /// The value of a variable. An empty one counts as not set: that is what `NAME=${OTHER}` in a
    /// compose file leaves behind.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The names of our variables that have a value.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let set = self.variables.iter().filter(|(_, value)| !value.is_empty());
        set.map(|(name, _)| name.as_str()).filter(|name| name.starts_with(PREFIX))
    }

    /// The names of our variables whose values are not UTF-8.
    pub(super) fn not_text(&self) -> impl Iterator<Item = &str> {
        self.not_text.iter().map(String::as_str).filter(|name| name.starts_with(PREFIX))
    }

    /// The system's file, if it exists (or cannot be checked, which reading it will then report).
    pub(super) fn system_file(&self) -> Option<&Path> {
        self.system_file.as_deref().filter(|path| path.try_exists().unwrap_or(true))
    }

    /// The default data directory: `/var/lib/portcullis` for root, else in the user's data directory.
    /// `XDG_DATA_HOME` counts only if it is absolute (XDG base directory specification).
    pub(super) fn default_data_dir(&self) -> Option<PathBuf> {
        if self.root {
            return Some(PathBuf::from(SYSTEM_DATA));
        }
        let xdg = self.get("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || self.get("HOME").map(|home| Path::new(home).join(".local/share"));
        xdg.or_else(home).map(|data| data.join("portcullis"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_dir(variables: &[(&str, &str)]) -> Option<PathBuf> {
        Environment::of_variables(variables.iter().copied()).default_data_dir()
    }

    #[test]
    fn the_data_directory_follows_the_user() {
        assert_eq!(data_dir(&[]), None);
        assert_eq!(data_dir(&[("HOME", "/home/a")]), Some("/home/a/.local/share/portcullis".into()));
        assert_eq!(data_dir(&[("HOME", "/home/a"), ("XDG_DATA_HOME", "/d")]), Some("/d/portcullis".into()));
        assert_eq!(
            data_dir(&[("HOME", "/home/a"), ("XDG_DATA_HOME", "relative")]),
            Some("/home/a/.local/share/portcullis".into())
        );
        let root = Environment::of_variables([("HOME", "/root")]).as_root();
        assert_eq!(root.default_data_dir(), Some(SYSTEM_DATA.into()));
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let environment = Environment::of_variables([("PORTCULLIS_HOSTS", ""), ("OTHER", "x")]);
        assert_eq!(environment.get("PORTCULLIS_HOSTS"), None);
        assert_eq!(environment.names().count(), 0);
    }

    #[test]
    fn the_process_has_an_environment() {
        let environment = Environment::of_process();
        assert!(environment.names().all(|name| name.starts_with(PREFIX)));
    }
}
