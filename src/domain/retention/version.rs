//! Tags as versions, in the order of semantic versioning (semver.org, section 11), read leniently: a leading `v` and missing numbers are
//! allowed.

/// A version. Every release comes after every pre-release, so that the newest versions are releases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    is_release: bool,
    numbers: [u64; 4],
    pre_release: Vec<Identifier>,
}

/// Numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

impl Version {
    /// The version that a tag names, as in `1.2.3`, `v2.0.0-rc.1`, `v1.4` or `8`. What follows an underscore is about the build, and does
    /// not count: tags have no plus sign.
    pub fn of(tag: &str) -> Option<Self> {
        let text = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
        let text = text.split_once('_').map_or(text, |(version, _)| version);
        let (numbers, pre_release) = match text.split_once('-') {
            Some((numbers, pre_release)) => (numbers, Some(pre_release)),
            None => (text, None),
        };
        let mut found = [0; 4];
        for (place, part) in numbers.split('.').enumerate() {
            *found.get_mut(place)? = number(part)?;
        }
        let pre_release: Vec<_> =
            pre_release.into_iter().flat_map(|text| text.split('.')).map(Identifier::of).collect();
        Some(Self { is_release: pre_release.is_empty(), numbers: found, pre_release })
    }
}

impl Identifier {
    fn of(text: &str) -> Self {
        number(text).map_or_else(|| Self::Word(text.to_owned()), Self::Number)
    }
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) { None } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_order_and_pre_releases_come_before_all_releases() {
        let ordered = [
            "3.0.0-alpha",
            "3.0.0-alpha.1",
            "3.0.0-alpha.beta",
            "3.0.0-beta",
            "3.0.0-beta.2",
            "3.0.0-beta.11",
            "3.0.0-rc.1",
            "v0.9",
            "1.0.0",
            "v1.2",
            "1.2.1",
            "1.10.0",
            "2",
            "2.0.0.1",
            "10.0.0",
        ];
        let versions: Vec<_> = ordered.iter().map(|tag| Version::of(tag).expect(tag)).collect();
        assert!(versions.is_sorted() && versions.windows(2).all(|pair| pair[0] != pair[1]), "{versions:?}");
        assert_eq!(Version::of("v1.2.0_build.7"), Version::of("1.2"));
    }

    #[test]
    fn other_tags_are_not_versions() {
        for tag in
            ["latest", "main", "v", "vv1", "1.x", "1..2", "1.2.3.4.5", "pr-17", "-1", "99999999999999999999", "a1b2c3d"]
        {
            assert_eq!(Version::of(tag), None, "{tag}");
        }
    }
}
