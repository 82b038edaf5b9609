//! Patterns of grants, against the obvious and slow way to match them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::domain::{Glob, RepositoryName};

fuzz_target!(|input: (&str, &str)| {
    let (Ok(glob), Ok(name)) = (input.0.parse::<Glob>(), input.1.parse::<RepositoryName>()) else { return };
    // The obvious way takes exponential time; a few stars are enough to tell the two apart.
    if input.0.matches('*').count() > 6 || input.0.len() > 40 || input.1.len() > 40 {
        let _ = glob.matches(&name);
        return;
    }
    let pattern: Vec<&str> = glob.as_str().split('/').collect();
    let segments: Vec<&str> = name.segments().collect();
    assert_eq!(glob.matches(&name), path(&pattern, &segments), "{glob} on {name}");
});

fn path(pattern: &[&str], name: &[&str]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((&"**", rest)) => (1..=name.len()).any(|n| path(rest, &name[n..])),
        Some((first, rest)) => {
            !name.is_empty() && segment(first.as_bytes(), name[0].as_bytes()) && path(rest, &name[1..])
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
