//! The sample file says what the program does.

use std::path::Path;

use crate::config::{Config, Environment, Loaded, Overrides, Source, sample, sections::SECTIONS};

/// The sample with its keys in force: `#name = value` loses its mark, `# explanation` keeps it.
fn uncommented() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    sample().lines().map(line).collect()
}

fn load(text: &str) -> Loaded {
    let root = Environment::default().as_root();
    Config::parse(Path::new("/s.toml"), text.as_bytes(), &Overrides::default(), &root).unwrap()
}

#[test]
fn the_file_in_the_repository_is_the_sample() {
    let file = include_str!("../../../config/portcullis.toml");
    let differs =
        "config/portcullis.toml differs from the definitions: cargo run -- config default >config/portcullis.toml";
    assert!(file == sample(), "{differs}");
}

#[test]
fn as_it_is_it_changes_nothing() {
    let loaded = load(&sample());
    assert_eq!(loaded.config, load("").config);
    assert!(loaded.provenance.entries().iter().all(|entry| entry.source == Source::Default));
}

#[test]
fn every_key_is_in_it_with_its_default() {
    let (sample, defaults) = (load(&uncommented()), load(""));
    assert_eq!(sample.config, defaults.config);
    for (sample, default) in sample.provenance.entries().iter().zip(defaults.provenance.entries()) {
        assert_eq!(sample.value, default.value, "{}", sample.key);
        assert!(matches!(sample.source, Source::File { .. }), "{} is missing in the sample", sample.key);
    }
}

#[test]
fn its_keys_are_in_the_order_in_which_they_are_shown() {
    let loaded = load(&uncommented());
    let line = |source: &Source| match source {
        Source::File { line, .. } => *line,
        _ => 0,
    };
    let lines: Vec<_> = loaded.provenance.entries().iter().map(|entry| line(&entry.source)).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn every_key_is_explained_and_every_section_is_there() {
    let text = sample();
    for section in SECTIONS {
        assert!(text.lines().any(|line| line == format!("[{section}]")), "{section}");
    }
    let mut explained = false;
    for line in text.lines() {
        match line.as_bytes() {
            [b'#', b' ', ..] => explained = true,
            [] => explained = false,
            [b'#', letter, ..] if letter.is_ascii_lowercase() => assert!(explained, "{line}"),
            _ => {}
        }
    }
}
