//! What is where: the top level, the rooms' names, and the line at the head of each file that says why it exists.

use std::fs;
use std::path::{Path, PathBuf};

/// Names of modules that say nothing.
const DRAWERS: &[&str] = &["utils", "util", "types", "common", "manager", "helpers", "misc"];

/// What a visitor sees at first.
const TOP_LEVEL: &[&str] =
    &["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "certs", "config", "scripts", "src", "target", "tests"];

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below this folder, relative to the root.
pub fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).expect("readable") {
        let entry = entry.expect("readable");
        let path = folder.join(entry.file_name());
        if entry.file_type().expect("readable").is_dir() {
            if entry.file_name() != "target" {
                walk(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["src", "tests"] {
        walk(Path::new(folder), &mut found);
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found
}

#[test]
fn every_file_says_why_it_exists() {
    for path in sources() {
        let text = fs::read_to_string(root().join(&path)).expect("sources are UTF-8");
        assert!(
            text.starts_with("//! ") || text.starts_with("#!["),
            "{} does not begin with a line of //!",
            path.display()
        );
    }
}

#[test]
fn no_module_is_a_drawer() {
    for path in sources() {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(!DRAWERS.contains(&name.as_str()), "{}", path.display());
    }
}

#[test]
fn the_visible_top_level_is_fixed() {
    for entry in fs::read_dir(root()).expect("readable") {
        let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || TOP_LEVEL.contains(&name.as_str()), "{name} does not belong at the top level");
    }
}
