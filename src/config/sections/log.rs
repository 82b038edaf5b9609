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
    /// A level, or directives of `tracing_subscriber::EnvFilter`, which accepts this text.
    pub level: String,
    /// The shape of a line.
    pub format: LogFormat,
}

impl Log {
    pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self {
            level: keys.checked("level", "info".to_owned(), filter),
            format: keys.get("format", LogFormat::Auto),
        }
    }
}

/// A filter that parses, and has no bare word that is no level: `inof` would mean "all of the module `inof`", and
/// nothing else would ever be logged.
#[expect(
    clippy::ptr_arg,
    reason = "it checks a value of the key's type, and that is String"
)]
fn filter(text: &String) -> Result<(), String> {
    let expected = r#"choose off, error, warn, info, debug or trace, or directives such as "info,portcullis=debug""#;
    let bare = |word: &&str| !word.contains(['=', '[']);
    let mut words = text.split(',').map(str::trim);
    let level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    if !text.contains('[')
        && let Some(word) = words.by_ref().filter(bare).find(|word| !level(word))
    {
        return Err(format!("{} is not a level: {expected}", quoted(word)));
    }
    EnvFilter::try_new(text)
        .map(drop)
        .map_err(|error| format!("{} is not a filter ({error}): {expected}", quoted(text)))
}

impl Setting for LogFormat {
    const EXPECTED: &'static str = r#""auto", "text" or "json""#;

    fn parse(text: &str) -> Result<Self, Complaint> {
        choose(
            text,
            &[
                ("auto", Self::Auto),
                ("text", Self::Text),
                ("json", Self::Json),
            ],
        )
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
