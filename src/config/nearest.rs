//! Which known key was meant by one that is not known.

/// Letters of a key that are compared; no real key is longer, and a made-up one may be.
const COMPARED: usize = 64;

/// The fewest letters that count as the start of a name.
const SHORTEST_START: usize = 4;

/// The candidate most like `given`. Names with a section (`server.listen`) are alike when their last part is, so that
/// a key in the wrong section finds its home; the same section wins a tie.
pub(super) fn nearest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> &'c str {
    let (given_section, given_name) = split(given);
    let distance = |candidate: &str| {
        let (section, name) = split(candidate);
        let cut: String = given_name.chars().take(COMPARED).collect();
        let letters = strsim::damerau_levenshtein(&cut, name);
        // `data` is short for `data_dir`, however many letters are missing.
        let short = cut.len() >= SHORTEST_START && name.starts_with(&cut);
        2 * if short { letters.min(1) } else { letters } + usize::from(section != given_section)
    };
    candidates.into_iter().min_by_key(|candidate| distance(candidate)).unwrap_or_default()
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typing_error_finds_its_key() {
        let known = ["data_dir", "server", "server.listen", "server.hosts", "auth", "auth.challenge", "log.level"];
        for (given, expected) in [
            ("server.lisen", "server.listen"),
            ("server.host", "server.hosts"),
            ("sever", "server"),
            ("datadir", "data_dir"),
            ("data", "data_dir"),
            ("challenge", "auth.challenge"),
            ("server.challenge", "auth.challenge"),
            ("hosts", "server.hosts"),
        ] {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
    }

    #[test]
    fn nothing_panics() {
        assert_eq!(nearest("", ["a"]), "a");
        assert_eq!(nearest("a", []), "");
        assert_eq!(nearest(&".".repeat(100_000), ["a"]), "a");
    }
}
