//! `[log]`: how much is logged, and in which format.

use tracing_subscriber::EnvFilter;

use crate::config::{checks::text, definition::settings, setting::quoted, word::Word};

settings! {
    /// The section `[log]`.
    LogSettings {
        /// How much is logged: "error", "warn", "info", "debug", "trace" or "off". Parts can differ:
        /// "info,portcullis::auth=debug". Passwords and tokens are never logged, at any level.
        level: String = "info".to_owned(), text(filter);

        /// "text" for people, "json" for machines, "auto": text on a terminal and JSON elsewhere.
        format: LogFormat = LogFormat::Auto;
    }
}

/// The words that a filter knows for levels.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Word for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("text", Self::Text), ("json", Self::Json)];
}

/// Levels, and `module=level`: what `EnvFilter` knows beyond that (spans, fields) is for developers, and its parser
/// panics on some texts with these. A single word that is not a level is refused, because `inof` would mean "all of the
/// module `inof`", and nothing else would ever be logged.
fn filter(text: &str) -> Result<(), String> {
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
