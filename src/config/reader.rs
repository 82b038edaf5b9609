//! Reads each key once from all its sources, and remembers what it saw.
//!
//! Keys that a source sets and no section asked for are unknown keys.

use std::path::Path;

use toml::{Spanned, de::DeValue};

use super::{
    document::Document,
    environment::{Environment, PREFIX},
    error::ConfigError,
    overrides::{Flag, Overrides},
    provenance::{Entry, Provenance, Source},
    setting::{Setting, ValueError},
};

/// Short names of variables that are typed often, each with the long name.
pub(super) const ALIASES: [(&str, &str); 2] =
    [("PORTCULLIS_DATA", "PORTCULLIS_DATA_DIR"), ("PORTCULLIS_HOSTS", "PORTCULLIS_SERVER_HOSTS")];

/// Reads keys, highest source first: flag, variable, file, default.
pub(super) struct Reader<'s> {
    flags: Vec<Flag>,
    environment: &'s Environment,
    document: Option<&'s Document<'s>>,
    entries: Vec<Entry>,
    errors: Vec<ConfigError>,
}

impl<'s> Reader<'s> {
    pub(super) fn new(overrides: &Overrides, environment: &'s Environment, document: Option<&'s Document<'s>>) -> Self {
        let mut errors = Vec::new();
        let flags = overrides.flags(&mut errors);
        Self { flags, environment, document, entries: Vec::new(), errors }
    }

    /// The keys above the first section.
    pub(super) fn top(&mut self) -> Keys<'_, 's> {
        Keys { reader: self, section: None }
    }

    /// The keys of one section.
    pub(super) fn section(&mut self, name: &'static str) -> Keys<'_, 's> {
        Keys { reader: self, section: Some(name) }
    }

    /// Notes that a key (with its section), already read, conflicts with another.
    pub(super) fn refuse(&mut self, key: &str, problem: impl Into<String>) {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        let at = entry.map_or(Source::Default, |entry| entry.source.clone());
        self.errors.push(ConfigError::Value { at, key: key.to_owned(), problem: problem.into() });
    }

    /// Every key that was asked for.
    pub(super) fn known(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.key.clone()).collect()
    }

    /// What was read and what was wrong with it.
    pub(super) fn finish(self) -> (Provenance, Vec<ConfigError>) {
        (Provenance::new(self.entries), self.errors)
    }
}

/// The variable of a key: `server.listen` is `PORTCULLIS_SERVER_LISTEN`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

/// A value as some source gives it.
enum Given<'r> {
    Text(&'r str),
    Toml(&'r Spanned<DeValue<'r>>),
}

/// The keys of one section, to be read one by one.
pub(super) struct Keys<'r, 's> {
    reader: &'r mut Reader<'s>,
    section: Option<&'static str>,
}

impl Keys<'_, '_> {
    /// Any value of the type.
    pub(super) fn get<S: Setting>(&mut self, name: &str, default: S) -> S {
        self.checked(name, default, |_| Ok(()))
    }

    /// A value that passes a check. Every source is checked, also one that a higher one hides, so that an error does
    /// not wait for the day on which the variable goes away.
    pub(super) fn checked<S: Setting>(
        &mut self,
        name: &str,
        default: S,
        check: impl Fn(&S) -> Result<(), String>,
    ) -> S {
        let key = self.key(name);
        let mut errors = self.twice(&key);
        let mut best = None;
        for (source, given) in self.given(&key, name) {
            match self.read(&given, &check) {
                Ok(value) => drop(best.get_or_insert((value, source))),
                Err(error) => errors.push(self.error(&key, source, error)),
            }
        }
        let (value, source) = best.unwrap_or((default, Source::Default));
        self.reader.errors.append(&mut errors);
        self.reader.entries.push(Entry { key, value: value.to_toml(), source });
        value
    }

    fn key(&self, name: &str) -> String {
        self.section.map_or_else(|| name.to_owned(), |section| format!("{section}.{name}"))
    }

    /// All that is said about a key, the strongest first.
    fn given(&self, key: &str, name: &str) -> Vec<(Source, Given<'_>)> {
        let mut given = Vec::new();
        if let Some(flag) = self.reader.flags.iter().find(|flag| flag.key == key) {
            given.push((Source::Flag { name: flag.name }, Given::Text(&flag.text)));
        }
        for name in names(key) {
            if let Some(text) = self.reader.environment.get(&name) {
                given.push((Source::Environment { name }, Given::Text(text)));
            }
        }
        let in_file = self.reader.document.and_then(|document| document.find(self.section, name));
        given.extend(in_file.map(|(source, value)| (source, Given::Toml(value))));
        given
    }

    fn read<S: Setting>(&self, given: &Given<'_>, check: impl Fn(&S) -> Result<(), String>) -> Result<S, ValueError> {
        let value = match given {
            Given::Text(text) => S::parse(text)?.anchored(Path::new("")),
            Given::Toml(value) => {
                let base = self.reader.document.map_or(Path::new(""), Document::base);
                S::from_toml(value.get_ref())?.anchored(base)
            }
        };
        check(&value).map_err(ValueError::new)?;
        Ok(value)
    }

    fn error(&self, key: &str, source: Source, error: ValueError) -> ConfigError {
        let at = match (&source, &error.span, self.reader.document) {
            (Source::File { .. }, Some(span), Some(document)) => document.at(span.start),
            _ => source,
        };
        ConfigError::Value { at, key: key.to_owned(), problem: error.text }
    }

    /// The error of a key that is set by its long and by its short variable.
    fn twice(&self, key: &str) -> Vec<ConfigError> {
        let set: Vec<_> = names(key).filter(|name| self.reader.environment.get(name).is_some()).collect();
        let [first, second] = set.as_slice() else {
            return Vec::new();
        };
        vec![ConfigError::Value {
            at: Source::Environment { name: first.clone() },
            key: key.to_owned(),
            problem: format!("{second} is set as well: keep one of them"),
        }]
    }
}

/// The variables that set a key: its short name, if it has one, and its long one.
fn names(key: &str) -> impl Iterator<Item = String> {
    let long = variable(key);
    let short = ALIASES.iter().find(|(_, stands_for)| *stands_for == long).map(|(short, _)| (*short).to_owned());
    short.into_iter().chain([long])
}
