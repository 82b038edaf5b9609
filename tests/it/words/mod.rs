//! The words that users and readers see are the plain English of the field: no file of the project holds a refused phrase.
//!
//! All files: `cargo test --test it words`. One folder or file:
//! `WORDS=src/auth cargo test --test it words`. Each find is printed as `FILE:LINE: PHRASE -> what to write`.

mod phrase;
mod refused;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use phrase::{Phrase, Token, tokens};
use refused::REFUSED;

/// What is read, below the root of the project.
const READ: &[&str] = &[
    ".ci",
    ".clippy.toml",
    ".deny.toml",
    ".github",
    "Cargo.toml",
    "README.md",
    "certs",
    "config",
    "scripts",
    "src",
    "tests",
];

/// Not ours to word: what is given by others, what has been applied, and the lists and the changelog that name the words.
const NOT_READ: &[&str] = &[
    ".github/CHANGELOG.md", // names what was renamed
    "src/auth/credentials/common_passwords.txt",
    "src/storage/metadata/postgres/migrations/0005_unknown_logins.sql", // a column that SQLite has
    "src/storage/metadata/sqlite/migrations",
    "src/storage/metadata/sqlite/finalize",
    "src/storage/metadata/postgres/finalize",
    "scripts/bench.d/probe/Cargo.lock",
    "scripts/cluster.d/manifests/go.sum",
    // Lines that have been handed out pin its hash.
    "src/trust/script/version_1.sh",
    "tests/fuzz/Cargo.lock",
    "tests/fuzz/seeds",
    "tests/it/words",
];

/// A phrase that a file quotes: it tells what has changed.
const QUOTED: &[(&str, &str)] = &[(".github/CHANGELOG.md", "mend")];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file below `path`, which is relative to the root.
fn files(path: &Path, found: &mut Vec<PathBuf>) {
    let real = root().join(path);
    if NOT_READ.iter().any(|skipped| path.starts_with(skipped)) || path.ends_with("target") {
        return;
    }
    if real.is_dir() {
        for entry in fs::read_dir(&real).expect("readable") {
            files(&path.join(entry.expect("readable").file_name()), found);
        }
    } else if real.is_file() {
        found.push(path.to_owned());
    }
}

/// `FILE:LINE: PHRASE -> what to write` for each refused phrase of a text.
fn refused_in(name: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found: Vec<(usize, String)> = Vec::new();
    for (pattern, instead) in REFUSED {
        let phrase = Phrase::parse(pattern);
        for at in 0..tokens.len() {
            if let Some(matched) = phrase.matches(&tokens, at) {
                let words = matched.iter().map(Token::word).collect::<Vec<_>>().join(" ");
                if !QUOTED.contains(&(name, words.as_str())) {
                    found.push((matched[0].line, format!("{words}: {instead}")));
                }
            }
        }
    }
    found.sort();
    found.into_iter().map(|(line, what)| format!("{name}:{line}: {what}")).collect()
}

#[test]
fn words_of_every_file_are_plain() {
    let asked = std::env::var("WORDS").ok();
    let mut read = Vec::new();
    for path in READ {
        files(Path::new(path), &mut read);
    }
    assert!(read.len() > 200, "the files were found");
    read.sort();
    read.retain(|path| match &asked {
        Some(asked) => path.starts_with(asked.trim_end_matches('/')),
        None => true,
    });
    let mut found = Vec::new();
    for path in read {
        // What is not text is not read by anyone.
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        found.extend(refused_in(&path.display().to_string(), &text));
    }
    assert!(found.is_empty(), "{} refused phrases:\n{}", found.len(), found.join("\n"));
}

#[test]
fn words_of_every_manual_page_are_plain() {
    let folder = tempfile::tempdir().expect("a folder");
    let status = Command::new(env!("CARGO_BIN_EXE_portcullis")).env_clear().arg("man").arg(folder.path()).status();
    assert!(status.expect("the program runs").success());
    let mut found = Vec::new();
    let mut pages = 0;
    for entry in fs::read_dir(folder.path()).expect("readable") {
        let path = entry.expect("readable").path();
        let text = fs::read_to_string(&path).expect("text").replace("\\-", "-").replace("\\'", "'");
        pages += 1;
        found.extend(refused_in(&path.file_name().expect("a name").to_string_lossy(), &text));
    }
    assert!(pages > 10, "{pages} pages");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn words_that_are_refused_are_found_over_the_end_of_a_line_and_in_names() {
    let text = "/// A name that is\n/// no pattern.\nfn nobody_may() {}\nlet x = \"it lies there\"; // This is no longer so; is there? No way.";
    let found = refused_in("x.rs", text);
    let lines: Vec<&str> = found.iter().map(|line| line.split(": ").next().expect("a part")).collect();
    assert_eq!(lines, ["x.rs:1", "x.rs:3", "x.rs:4"], "{found:#?}");
}
