//! What commands print: tables for people, JSON for programs, and nothing but the result on stdout.

use std::io::{self, IsTerminal, Write};

use anyhow::Context as _;
use serde_json::Value;

/// How a command prints its result.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Rows under headings; as JSON a list of objects (`json`).
    pub(crate) fn table(&self, headings: &[&str], rows: &[Vec<String>], json: &Value) -> anyhow::Result<()> {
        if self.json { self.json(json) } else { self.raw(aligned(headings, rows).as_bytes()) }
    }

    /// Lines of `label  value`; as JSON one object.
    pub(crate) fn record(&self, lines: &[(&str, String)], json: &Value) -> anyhow::Result<()> {
        if self.json {
            return self.json(json);
        }
        let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
        let lines: Vec<String> = lines.iter().map(|(label, value)| format!("{label:width$}  {value}\n")).collect();
        self.raw(lines.concat().as_bytes())
    }

    /// One sentence that says what was done; as JSON one object.
    pub(crate) fn done(&self, sentence: &str, json: &Value) -> anyhow::Result<()> {
        if self.json { self.json(json) } else { self.raw(format!("{sentence}\n").as_bytes()) }
    }

    /// A text as it is; as JSON one object.
    pub(crate) fn document(&self, text: &str, json: &Value) -> anyhow::Result<()> {
        if self.json { self.json(json) } else { self.raw(text.as_bytes()) }
    }

    /// What was done, on stderr, if the result itself is a text of its own; in JSON it is part of the object.
    pub(crate) fn aside(&self, text: &str) {
        if !self.json {
            // If stderr is closed, there is no one left to tell.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Bytes as they are. A reader that has seen enough (`| head`) is not an error.
    // A method like the others, so that everything that is printed goes through this type.
    #[allow(clippy::unused_self)]
    pub(crate) fn raw(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.context("cannot write to stdout"),
        }
    }

    fn json(&self, json: &Value) -> anyhow::Result<()> {
        self.raw(format!("{json:#}\n").as_bytes())
    }
}

/// One line on stderr about what failed, with its causes.
pub(crate) fn complain(error: &anyhow::Error) {
    // If stderr is closed, there is no one left to tell.
    let _ = writeln!(io::stderr(), "portcullis: {}", with_causes(error));
}

/// One line on stderr about something that may not be intended.
pub(crate) fn warn(text: &str) {
    // If stderr is closed, there is no one left to tell.
    let _ = writeln!(io::stderr(), "portcullis: warning: {text}");
}

/// The error and its causes, without those that the text before them already contains.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

/// Whether stdout is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Seconds since the Unix epoch as a date in UTC.
pub(crate) fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

/// A number of bytes, in words.
pub(super) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// Rows under headings, as text.
pub(super) fn aligned(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut headings.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_printed_once() {
        let cause = std::io::Error::other("the disk is gone");
        let told = anyhow::Error::new(cause).context("cannot read /x: the disk is gone");
        assert_eq!(with_causes(&told), "cannot read /x: the disk is gone");
        let untold = anyhow::Error::new(std::io::Error::other("the disk is gone")).context("cannot read /x");
        assert_eq!(with_causes(&untold), "cannot read /x: the disk is gone");
    }
}
