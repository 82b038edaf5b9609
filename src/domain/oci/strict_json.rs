//! JSON that every reader sees in the same way.
//!
//! Two readers of `{"layers": [], "layers": [..]}` may see two different images, and so may two readers of `{"Layers": [..]}`, because
//! some compare keys without case; so such documents are refused (CVE-2021-41190 and its kind are confusions between readers of one
//! manifest). What no reader here knows may hold anything that is JSON: numbers of any size too.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::{Error as _, IgnoredAny};
use serde_json::Error;

/// The deepest nesting that is read, far beyond any real manifest.
const MAX_DEPTH: usize = 64;

/// The keys that readers know in an object, each with the shape of its value; a list has the shape of its elements.
#[derive(Debug)]
pub struct Shape(pub &'static [(&'static str, Option<&'static Shape>)]);

/// Checks that `bytes` are one JSON document whose objects have unique keys, and that no key differs in case alone from one that
/// `shape` knows at its place.
pub fn check(bytes: &[u8], shape: &'static Shape) -> Result<(), Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| Error::custom(format_args!("it is not UTF-8: {error}")))?;
    // The whole syntax, without a look at what numbers are worth.
    serde_json::from_str::<IgnoredAny>(text)?;
    Walk { text, root: shape, open: Vec::new() }.run()
}

/// A walk over a text that is known to be JSON: only brackets, commas, colons and strings matter.
struct Walk<'t> {
    text: &'t str,
    root: &'static Shape,
    open: Vec<Open<'t>>,
}

/// An object or a list that is not closed yet.
struct Open<'t> {
    /// The keys so far; `None` in a list.
    keys: Option<HashSet<Cow<'t, str>>>,
    /// Of the object itself, or of the list's elements.
    shape: Option<&'static Shape>,
    /// Of the value that comes next.
    next: Option<&'static Shape>,
    awaits_key: bool,
}

impl<'t> Walk<'t> {
    fn run(mut self) -> Result<(), Error> {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    let end = end_of_string(bytes, at);
                    self.string(at, end)?;
                    at = end;
                }
                b'{' => self.enter(true)?,
                b'[' => self.enter(false)?,
                b'}' | b']' => drop(self.open.pop()),
                b',' => {
                    if let Some(open) = self.open.last_mut() {
                        open.awaits_key = open.keys.is_some();
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Ok(())
    }

    fn enter(&mut self, is_object: bool) -> Result<(), Error> {
        if self.open.len() == MAX_DEPTH {
            return Err(Error::custom("nested too deeply"));
        }
        let shape = self.open.last().map_or(Some(self.root), |open| open.next);
        // In an object, a key says what comes next.
        let next = if is_object { None } else { shape };
        self.open.push(Open { keys: is_object.then(HashSet::new), shape, next, awaits_key: is_object });
        Ok(())
    }

    /// A string between two quotes: a key where one is awaited.
    fn string(&mut self, start: usize, end: usize) -> Result<(), Error> {
        let Some(open) = self.open.last_mut().filter(|open| open.awaits_key) else { return Ok(()) };
        let Some(keys) = &mut open.keys else { return Ok(()) };
        let quoted = self.text.get(start..=end).unwrap_or_default();
        let key: Cow<'t, str> = if quoted.contains('\\') {
            Cow::Owned(serde_json::from_str(quoted)?)
        } else {
            Cow::Borrowed(self.text.get(start + 1..end).unwrap_or_default())
        };
        open.next = open.shape.and_then(|shape| shape.value_of(&key).transpose()).transpose()?;
        open.awaits_key = false;
        if let Some(key) = keys.replace(key) {
            return Err(Error::custom(format_args!("the key {key:?} appears twice in one object")));
        }
        Ok(())
    }
}

/// Where the string ends that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

impl Shape {
    /// The shape of a key's value; an error where the key is a known one in another case.
    fn value_of(&self, key: &str) -> Result<Option<&'static Self>, Error> {
        for (known, shape) in self.0 {
            if *known == key {
                return Ok(*shape);
            }
            if is_same_without_case(known, key) {
                let problem = format!(
                    "the key {key:?} must be written {known:?}: clients that compare without case would read it"
                );
                return Err(Error::custom(problem));
            }
        }
        Ok(None)
    }
}

/// As Go's `encoding/json` compares: with the two letters outside of ASCII that are ASCII letters in another case.
fn is_same_without_case(known: &str, key: &str) -> bool {
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    known.chars().map(fold).eq(key.chars().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    static INNER: Shape = Shape(&[("digest", None), ("size", None)]);
    static OUTER: Shape = Shape(&[("layers", Some(&INNER)), ("config", Some(&INNER)), ("annotations", None)]);

    fn passes(text: &str) -> bool {
        check(text.as_bytes(), &OUTER).is_ok()
    }

    #[test]
    fn a_key_may_be_used_once_per_object() {
        assert!(passes(r#"{"a":{"a":1,"b":[{"a":null},{"a":2.5}]},"b":"x"}"#));
        assert!(!passes(r#"{"a":1,"a":2}"#));
        assert!(!passes(r#"{"x":[{"a":1,"\u0061":2}]}"#));
        assert!(passes(r#"{"a":"a\\","b":"\"a\":1,{[","c":["a","a","b"]}"#), "strings are not keys");
    }

    #[test]
    fn what_is_not_one_document_is_refused() {
        for text in ["", "{", "{} {}", "nul", "\u{feff}{}", "{\"a\"}", "[1,]"] {
            assert!(!passes(text), "{text:?}");
        }
        assert!(check(b"{\"a\":\"\xff\"}", &OUTER).is_err());
        assert!(!passes(&"[".repeat(100_000)));
        assert!(!passes(&format!("{}{}", "[".repeat(65), "]".repeat(65))));
        assert!(passes(&format!("{}{}", "[".repeat(64), "]".repeat(64))));
    }

    #[test]
    fn numbers_may_be_of_any_size() {
        assert!(passes(r#"{"new":1e400,"more":[-1e-400,123456789012345678901234567890123456789]}"#));
        assert!(!passes(r#"{"new":01}"#) && !passes(r#"{"new":1e}"#));
    }

    #[test]
    fn known_keys_in_another_case_are_refused_where_they_are_known() {
        for text in [
            r#"{"Layers":[]}"#,
            r#"{"layers":[],"LAYERS":[]}"#,
            r#"{"layers":[{"Digest":"x"}]}"#,
            r#"{"config":{"siZe":1}}"#,
            "{\"layer\u{17f}\":[]}",
            r#"{"layer\u017f":[]}"#,
        ] {
            let error = check(text.as_bytes(), &OUTER).expect_err(text).to_string();
            assert!(error.contains("must be written"), "{error}");
        }
        for text in [
            r#"{"annotations":{"Layers":"x","layers":"y","Digest":"z"}}"#,
            r#"{"new":{"Layers":1,"layers":2}}"#,
            r#"{"Digest":1,"layers":[{"Layers":1}]}"#,
        ] {
            assert!(passes(text), "{text}");
        }
    }
}
