//! `[log]`: how much is logged, and in which shape.

use tracing_subscriber::EnvFilter;

use crate::config::{
    reader::Keys,
    setting::{Complaint, Setting, choose, quoted},
};

/// The words that a filter knows for levels.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The section `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level, or several with the modules they are for; `tracing_subscriber::EnvFilter` accepts this text.
    pub level: String,
    /// The shape of a line.
    pub format: LogFormat,
}

impl Log {
    pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self { level: keys.checked("level", "info".to_owned(), filter), format: keys.get("format", LogFormat::Auto) }
    }
}

/// Levels, and `module=level`: what `EnvFilter` knows beyond that (spans, fields) serves developers, and its parser
/// panics on some texts with these. A bare word that is no level is refused, because `inof` would mean "all of the
/// module `inof`", and nothing else would ever be logged.
fn filter(text: &String) -> Result<(), String> {
    let expected = r#"choose off, error, warn, info, debug or trace, or a list such as "info,portcullis=debug""#;
    if let Some(word) = text.split(',').find(|word| !is_directive(word)) {
        return Err(format!("{} is not a level: {expected}", quoted(word)));
    }
    EnvFilter::try_new(text)
        .map(drop)
        .map_err(|error| format!("{} is not a filter ({error}): {expected}", quoted(text)))
}

fn is_directive(word: &str) -> bool {
    let (module, level) = word.split_once('=').unwrap_or(("all", word));
    let path = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-');
    !module.is_empty() && module.bytes().all(path) && LEVELS.contains(&level)
}

impl Setting for LogFormat {
    const EXPECTED: &'static str = r#""auto", "text" or "json""#;

    fn parse(text: &str) -> Result<Self, Complaint> {
        choose(text, &[("auto", Self::Auto), ("text", Self::Text), ("json", Self::Json)])
    }

    fn to_toml(&self) -> toml::Value {
        let word = match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        };
        toml::Value::String(word.to_owned())
    }
}
