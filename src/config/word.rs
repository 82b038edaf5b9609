//! Settings that are one of a few words.

use toml::de::DeValue;

use super::setting::{Setting, ValueError, quoted, unexpected};

/// A type whose values an operator writes as words.
pub(super) trait Word: Copy + PartialEq + 'static {
    /// Each word with its value; every value has one.
    const WORDS: &'static [(&'static str, Self)];
}

impl<W: Word> Setting for W {
    const EXPECTED: &'static str = "a word in quotes";

    fn from_toml(value: &DeValue<'_>) -> Result<Self, ValueError> {
        match value {
            DeValue::String(text) => Self::parse(text),
            other => Err(unexpected(other, &format!("one of {}", words::<W>()))),
        }
    }

    fn parse(text: &str) -> Result<Self, ValueError> {
        if let Some((_, value)) = W::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        Err(ValueError::new(format!("{} is not one of {}", quoted(text), words::<W>())))
    }

    fn to_toml(&self) -> toml::Value {
        let word = W::WORDS.iter().find(|(_, value)| value == self).map_or("", |(word, _)| *word);
        toml::Value::String(word.to_owned())
    }
}

fn words<W: Word>() -> String {
    let words: Vec<_> = W::WORDS.iter().map(|(word, _)| format!("{word:?}")).collect();
    words.join(", ")
}
