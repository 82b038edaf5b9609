//! A range of repository names in ASCII order: what can be sought in an index, where a pattern can only be compared.

use crate::domain::{Glob, RepositoryName};

/// Greater than every character of a repository's name, as [`LEAST`] is less.
const GREATEST: char = '\u{7f}';
const LEAST: char = '\u{1}';

/// All names from a first one (included) to a last one (excluded).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameRange {
    start: String,
    end: String,
}

impl NameRange {
    /// Every name.
    pub fn all() -> Self {
        Self::beginning_with("")
    }

    /// The names that begin with this text.
    pub fn beginning_with(prefix: &str) -> Self {
        Self { start: prefix.to_owned(), end: format!("{prefix}{GREATEST}") }
    }

    /// One name.
    pub fn only(name: &str) -> Self {
        Self { start: name.to_owned(), end: format!("{name}{LEAST}") }
    }

    /// The least range that has all that the pattern covers.
    pub fn around(pattern: &Glob) -> Self {
        match pattern.as_str().split_once('*') {
            Some((prefix, _)) => Self::beginning_with(prefix),
            None => Self::only(pattern.as_str()),
        }
    }

    /// The range that has what the pattern covers and nothing else, if one exists: for `NAME`, `PREFIX/**` and `**`.
    pub fn exactly(pattern: &Glob) -> Option<Self> {
        let text = pattern.as_str();
        match text.split_once('*') {
            None => Some(Self::only(text)),
            Some((prefix, "*")) if prefix.is_empty() || prefix.ends_with('/') => Some(Self::beginning_with(prefix)),
            Some(_) => None,
        }
    }

    /// The first text of the range.
    pub fn start(&self) -> &str {
        &self.start
    }

    /// The first text after the range.
    pub fn end(&self) -> &str {
        &self.end
    }

    /// Where to continue after `last`: never before the start.
    pub fn start_after(&self, last: Option<&str>) -> String {
        match last {
            Some(last) if last >= self.start.as_str() => format!("{last}{LEAST}"),
            Some(_) | None => self.start.clone(),
        }
    }

    /// Whether nothing of the range comes after `last`.
    pub fn is_over_after(&self, last: &str) -> bool {
        last >= self.end.as_str()
    }

    /// Whether the name is in it.
    pub fn contains(&self, name: &RepositoryName) -> bool {
        (self.start.as_str()..self.end.as_str()).contains(&name.as_str())
    }

    /// The same names as in `ranges`, in order and each once.
    pub fn merged(mut ranges: Vec<Self>) -> Vec<Self> {
        ranges.sort_unstable();
        let mut merged: Vec<Self> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = range.end.max(std::mem::take(&mut last.end)),
                _ => merged.push(range),
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(text: &str) -> Glob {
        text.parse().expect("a pattern")
    }

    #[test]
    fn a_range_is_as_narrow_as_its_pattern_begins() {
        assert_eq!(NameRange::around(&glob("**")), NameRange::all());
        assert_eq!(NameRange::around(&glob("team/*/x")), NameRange::beginning_with("team/"));
        assert_eq!(NameRange::around(&glob("rel-*")), NameRange::beginning_with("rel-"));
        assert_eq!(NameRange::around(&glob("nginx")), NameRange::only("nginx"));
        for (pattern, is_exact) in
            [("**", true), ("a/**", true), ("a", true), ("a/*", false), ("*", false), ("a-*", false)]
        {
            assert_eq!(NameRange::exactly(&glob(pattern)).is_some(), is_exact, "{pattern}");
        }
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let ranges = ["b", "a/b", "a/**", "a/b/**", "c"].map(|pattern| NameRange::around(&glob(pattern)));
        let merged = NameRange::merged(ranges.to_vec());
        assert_eq!(merged, ["a/**", "b", "c"].map(|pattern| NameRange::around(&glob(pattern))));
        assert_eq!(NameRange::only("a").start_after(Some("a")), NameRange::only("a").end());
        assert!(NameRange::only("a").is_over_after("a\u{1}") && !NameRange::only("a").is_over_after("a"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn ranges_have_what_their_patterns_cover(
            pattern in "(\\*\\*|\\*|\\*?([ab-]\\*?){1,3})(/(\\*\\*|\\*|\\*?([ab]\\*?){1,3})){0,3}",
            name in "[ab]{1,2}(-[ab])?(/[ab]{1,3}){0,4}",
            last in "[ab]{1,2}(-[ab])?(/[ab]{1,3}){0,4}",
        ) {
            let (pattern, name): (Glob, RepositoryName) = (glob(&pattern), name.parse().expect("a name"));
            prop_assert!(!pattern.matches(&name) || NameRange::around(&pattern).contains(&name));
            if let Some(exact) = NameRange::exactly(&pattern) {
                prop_assert_eq!(exact.contains(&name), pattern.matches(&name));
            }
            let range = NameRange::around(&pattern);
            let continues = range.start_after(Some(&last)).as_str() <= name.as_str() && name.as_str() < range.end();
            prop_assert_eq!(continues, range.contains(&name) && name.as_str() > last.as_str());
        }
    }
}
