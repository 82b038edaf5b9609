//! The house rules that a compiler does not know: who may import whom, how long a file may be, who may make a permit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest file, in lines.
const LONGEST_FILE: usize = 400;

/// Each module and what it may import. Dependencies point down only.
const ALLOWED: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["auth", "config", "domain", "http", "registry", "server", "storage", "tls", "trust"]),
    ("server", &["domain", "http", "tls"]),
    ("http", &["auth", "domain", "registry"]),
    ("registry", &["auth", "domain", "storage"]),
    ("auth", &["domain", "storage"]),
    ("storage", &["domain"]),
    ("trust", &["domain", "tls"]),
    ("tls", &["domain"]),
    ("config", &["domain"]),
    ("domain", &[]),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are UTF-8");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    assert!(found.len() > 50, "the sources were found");
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `src/http/error.rs` is part of `http`, `src/main.rs` of `main`.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("below src");
    let first = inside.components().next().expect("a file").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Every module that the text names by `crate::NAME`, outside of comments.
fn imports(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = Vec::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            found.push(name);
        }
    }
    found
}

#[test]
fn dependencies_point_down_only() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let Some(may) = allowed.get(module.as_str()) else {
            wrong.push(format!("{}: the module {module} stands in no rule", path.display()));
            continue;
        };
        for name in imports(&text) {
            if name != module && !may.contains(&name.as_str()) {
                wrong.push(format!("{}: {module} must not import {name:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_policy_makes_permits() {
    for (path, text) in sources() {
        let made = text.matches("Authorized::new(").count() + text.matches("Authorized::<P>::new(").count();
        let allowed = path.ends_with("src/auth/policy.rs");
        assert!(made == 0 || allowed, "{} makes a permit", path.display());
    }
}

#[test]
fn no_file_outgrows_a_reader() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_says_why_it_exists() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not begin with a line of //!", path.display());
    }
}

#[test]
fn no_module_is_a_drawer() {
    for (path, _) in sources() {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(
            !["utils", "util", "types", "common", "manager", "helpers", "misc"].contains(&name.as_str()),
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_visible_top_level_is_fixed() {
    let expected =
        ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "certs", "config", "scripts", "src", "target", "tests"];
    for entry in fs::read_dir(root()).expect("readable") {
        let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || expected.contains(&name.as_str()), "{name} does not belong at the top level");
    }
}
