//! The command line: what each command shows, changes and refuses. `stories` lists every command with its story.

mod configuration;
mod description;
mod grants;
mod immutable;
mod migrations;
mod quotas;
mod repositories;
mod retention;
mod stories;
mod trash;
mod users;

use std::process::Output;

use serde_json::Value;

use crate::support::Server;

/// What a command prints as JSON.
fn json(server: &Server, arguments: &[&str]) -> Value {
    let output = server.run(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
}

/// What a command prints for people.
fn text(server: &Server, arguments: &[&str]) -> String {
    String::from_utf8(server.run(arguments).stdout).expect("text")
}

/// What a refusal says: one line on stderr, nothing on stdout, exit code 1.
fn refusal(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    assert!(output.stdout.is_empty(), "{output:?}");
    text
}
