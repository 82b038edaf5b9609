//! The configuration file as text with line numbers, before any key of it means something.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{error::ConfigError, provenance::Source};

/// No configuration is larger; `--config /dev/zero` must not fill the memory.
const LARGEST: u64 = 1 << 20;

/// The most syntax errors that are reported; later ones are mostly consequences.
const SYNTAX_ERRORS: usize = 5;

/// Reads the bytes of a file of reasonable size.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A parsed file that borrows its text.
pub(super) struct Document<'t> {
    path: PathBuf,
    text: &'t str,
    table: DeTable<'t>,
}

impl<'t> Document<'t> {
    /// Parses the bytes of the file at `path`, or says every line that is not TOML.
    pub(super) fn parse(path: &Path, bytes: &'t [u8]) -> Result<Self, Vec<ConfigError>> {
        let text = text(path, bytes).map_err(|error| vec![error])?;
        let (table, mut errors) = DeTable::parse_recoverable(text);
        let document = Self { path: path.to_owned(), text, table: table.into_inner() };
        if errors.is_empty() {
            return Ok(document);
        }
        // The parser finds grammar errors first and invalid values later.
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        let syntax = |error: &toml::de::Error| ConfigError::Syntax {
            at: document.at(error.span().map_or(0, |span| span.start)),
            problem: format!("not TOML: {}", error.message()),
        };
        Err(errors.iter().take(SYNTAX_ERRORS).map(syntax).collect())
    }

    /// The directory that relative paths in this file start from.
    pub(super) fn base(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The place of a byte of the text.
    pub(super) fn at(&self, offset: usize) -> Source {
        let before = self.text.as_bytes().iter().take(offset);
        Source::File { path: self.path.clone(), line: 1 + before.filter(|byte| **byte == b'\n').count() }
    }

    /// A key's place and value; `section` is `None` for the keys above the first section.
    pub(super) fn find(&self, section: Option<&str>, name: &str) -> Option<(Source, &Spanned<DeValue<'t>>)> {
        let mut table = &self.table;
        for part in section.into_iter().flat_map(|section| section.split('.')) {
            let DeValue::Table(inner) = lookup(table, part)?.1.get_ref() else { return None };
            table = inner;
        }
        let (offset, value) = lookup(table, name)?;
        Some((self.at(offset), value))
    }

    /// What the file says at its top level: keys, and sections with their keys.
    pub(super) fn top(&self) -> impl Iterator<Item = (&str, Source, &DeValue<'t>)> {
        self.items(&self.table)
    }

    /// The keys of one table with their places.
    pub(super) fn items<'d>(
        &'d self,
        table: &'d DeTable<'t>,
    ) -> impl Iterator<Item = (&'d str, Source, &'d DeValue<'t>)> {
        let item = |(key, value): (&'d Spanned<_>, &'d Spanned<_>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            (name.as_ref(), self.at(key.span().start), value.get_ref())
        };
        table.iter().map(item)
    }
}

fn lookup<'d, 't>(table: &'d DeTable<'t>, name: &str) -> Option<(usize, &'d Spanned<DeValue<'t>>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((key.span().start, value))
}

fn text<'t>(path: &Path, bytes: &'t [u8]) -> Result<&'t str, ConfigError> {
    let not_text = |problem: String| ConfigError::NotText { path: path.to_owned(), problem };
    if bytes.len() as u64 > LARGEST {
        return Err(not_text("larger than 1 MiB".to_owned()));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.iter().take(error.valid_up_to());
        not_text(format!("line {} is not UTF-8", 1 + before.filter(|byte| **byte == b'\n').count()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(bytes: &[u8]) -> Vec<String> {
        let errors = Document::parse(Path::new("/c.toml"), bytes).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_have_lines() {
        let text = "data_dir = 'x'\r\n\n[server]\n# é\nlisten = 'y'\n[blobs.s3]\nbucket = 'z'\n";
        let document = Document::parse(Path::new("/c.toml"), text.as_bytes()).ok().unwrap();
        let line = |section, name| document.find(section, name).unwrap().0.to_string();
        assert_eq!(line(None, "data_dir"), "/c.toml:1");
        assert_eq!(line(Some("server"), "listen"), "/c.toml:5");
        assert_eq!(line(Some("blobs.s3"), "bucket"), "/c.toml:7");
        assert!(document.find(Some("data_dir"), "x").is_none() && document.find(Some("blobs.s4"), "x").is_none());
        assert!(document.find(Some("tls"), "certificate").is_none());
    }

    #[test]
    fn what_is_not_toml_is_told_by_line() {
        assert!(errors(b"a = 1\nb = \n")[0].starts_with("/c.toml:2: not TOML"));
        assert!(errors(b"a = 1\na = 2\n")[0].starts_with("/c.toml:2: not TOML"));
        let several = errors(b"a = \nb = 1\nc = ]\n");
        assert!(several.len() > 1 && several[1].starts_with("/c.toml:3"), "{several:?}");
    }

    #[test]
    fn what_is_not_text_is_refused() {
        assert!(errors(b"a = 1\nb = '\xff'\n")[0].contains("line 2 is not UTF-8"));
        assert!(errors(&vec![b'\n'; (1 << 20) + 1])[0].contains("larger than 1 MiB"));
        assert!(
            matches!(read(Path::new("/nonexistent/c.toml")), Err(error) if error.kind() == io::ErrorKind::NotFound)
        );
        assert_eq!(read(Path::new("/dev/zero")).unwrap().len() as u64, LARGEST + 1);
    }
}
