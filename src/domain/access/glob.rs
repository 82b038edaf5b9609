//! The pattern that a grant covers repositories by.

use std::fmt;
use std::str::FromStr;

use crate::domain::RepositoryName;
use crate::domain::oci::repository_name::MAX_LENGTH;

/// Whole segments between slashes; `*` stands for any characters within one segment, `**` for one or more whole segments.
/// `team/**` covers `team/a` and `team/a/b`, not `team`. There is no other magic: no expression, no substitution.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Glob(String);

/// A text that is not a glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid pattern '{0}': write segments as in repository names, separated by '/', with '*' for any characters within a \
     segment and '**' as a whole segment for any depth"
)]
pub struct InvalidGlob(String);

impl Glob {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern covers `name`, the whole of it.
    pub fn matches(&self, name: &RepositoryName) -> bool {
        let pattern: Vec<&str> = self.0.split('/').collect();
        let segments: Vec<&str> = name.segments().collect();
        wildcard(
            &pattern,
            &segments,
            |p| *p == "**",
            1,
            |p, s| wildcard(p.as_bytes(), s.as_bytes(), |p| *p == b'*', 0, |p, s| p == s),
        )
    }
}

/// Matches `text` against `pattern`, where an element for which `is_star` holds stands for at least `least` elements of
/// `text`. Greedy with one point of return, so at most `pattern x text` steps.
pub(in crate::domain) fn wildcard<T>(
    pattern: &[T],
    text: &[T],
    is_star: impl Fn(&T) -> bool,
    least: usize,
    matches: impl Fn(&T, &T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && is_star(&pattern[p]) && t + least <= text.len() {
            (p, t) = (p + 1, t + least);
            last_star = Some((p, t));
        } else if p < pattern.len() && t < text.len() && !is_star(&pattern[p]) && matches(&pattern[p], &text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if p == pattern.len() && t == text.len() {
            return true;
        } else if let Some((after_star, taken)) = last_star.filter(|(_, taken)| *taken < text.len()) {
            (p, t) = (after_star, taken + 1);
            last_star = Some((after_star, taken + 1));
        } else {
            return false;
        }
    }
}

impl FromStr for Glob {
    type Err = InvalidGlob;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_segment = |segment: &str| {
            segment == "**"
                || (!segment.is_empty()
                    && !segment.contains("**")
                    && segment.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-*".contains(&b)))
        };
        if text.len() <= MAX_LENGTH && text.split('/').all(is_segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidGlob(text.to_owned()))
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(glob: &str, name: &str) -> bool {
        glob.parse::<Glob>().expect("a glob").matches(&name.parse().expect("a name"))
    }

    #[test]
    fn patterns_are_anchored_and_stars_keep_to_their_segment() {
        assert!(covers("nginx", "nginx") && !covers("nginx", "nginx2") && !covers("nginx", "a/nginx"));
        assert!(covers("team/*", "team/a") && !covers("team/*", "team/a/b") && !covers("team/*", "team"));
        assert!(covers("team/**", "team/a") && covers("team/**", "team/a/b") && !covers("team/**", "team"));
        assert!(covers("**", "a") && covers("**", "a/b/c"));
        assert!(covers("**/app", "a/app") && covers("**/app", "a/b/app") && !covers("**/app", "app"));
        assert!(covers("a/**/z", "a/b/c/z") && covers("a/**/z", "a/z/z") && !covers("a/**/z", "a/z"));
        assert!(covers("rel-*.x", "rel-1.2.x") && !covers("rel-*.x", "rel-1.2.y"));
        assert!(covers("**/**", "a/b") && !covers("**/**", "a"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "/", "a/", "/a", "a//b", "***", "a**", "**a", "A", "a?b", "[a]", "{a}", "a/../b:"] {
            assert!(text.parse::<Glob>().is_err(), "{text:?}");
        }
    }

    /// The same question asked the slow and obvious way.
    fn reference(pattern: &[&str], name: &[&str]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((&"**", rest)) => (1..=name.len()).any(|n| reference(rest, &name[n..])),
            Some((first, rest)) => {
                !name.is_empty() && segment(first.as_bytes(), name[0].as_bytes()) && reference(rest, &name[1..])
            }
        }
    }

    fn segment(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| segment(rest, &text[n..])),
            Some((byte, rest)) => text.first() == Some(byte) && segment(rest, &text[1..]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn agrees_with_the_reference(
            glob in "(\\*\\*|\\*|\\*?([ab]\\*?){1,3})(/(\\*\\*|\\*|\\*?([ab]\\*?){1,3})){0,3}",
            name in "[ab]{1,4}(/[ab]{1,3}){0,4}",
        ) {
            let pattern: Vec<_> = glob.split('/').collect();
            let segments: Vec<_> = name.split('/').collect();
            prop_assert_eq!(covers(&glob, &name), reference(&pattern, &segments));
        }
    }
}
