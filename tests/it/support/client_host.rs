//! The host on which `trust` runs: a directory that is used as its root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A client's host: a directory that is used as its root.
pub struct ClientHost(pub TempDir);

/// Every path below the root, with what it holds; directories hold nothing.
pub type Tree = BTreeMap<String, String>;

impl ClientHost {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    /// With a file that was there before.
    pub fn with(self, path: &str, text: &str) -> Self {
        let real = self.0.path().join(path);
        fs::create_dir_all(real.parent().expect("below the root")).expect("writable");
        fs::write(&real, text).expect("writable");
        self
    }

    /// With a command of the system that notes how it was called, and ends with this status.
    pub fn with_command(self, path: &str, status: u8) -> Self {
        let log = self.0.path().join("called");
        let script = format!("#!/bin/sh\necho \"$(basename \"$0\") $*\" >>{}\nexit {status}\n", log.display());
        let host = self.with(path, &script);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(host.0.path().join(path), mode).expect("ours");
        host
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.env_clear().env("HOME", "/home/op").args(arguments).arg("--root").arg(self.0.path());
        command.output().expect("the program runs")
    }

    /// Runs it away from the threads that serve.
    pub fn trust(&self, registry: &str, pin: &str, more: &[&str]) -> Output {
        let arguments = [&["trust", registry, "--ca-sha256", pin], more].concat();
        tokio::task::block_in_place(|| self.run(&arguments))
    }

    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn tree(&self) -> Tree {
        fn walk(root: &Path, dir: &Path, tree: &mut Tree) {
            for entry in fs::read_dir(dir).expect("readable") {
                let path = entry.expect("readable").path();
                let name = path.strip_prefix(root).expect("below").display().to_string();
                if path.is_dir() {
                    tree.insert(name, String::new());
                    walk(root, &path, tree);
                } else {
                    tree.insert(name, fs::read_to_string(&path).expect("text"));
                }
            }
        }
        let mut tree = Tree::new();
        walk(self.0.path(), self.0.path(), &mut tree);
        tree
    }
}

pub fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a refusal says: one line, and exit code 1.
pub fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("portcullis: "), "{text}");
    text
}
