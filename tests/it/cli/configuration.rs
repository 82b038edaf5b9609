//! `portcullis config`: the configuration, checked, shown with its sources, and printed as a sample.

use std::path::Path;

use serde_json::Value;

use super::{json, refusal, text};
use crate::support::Server;

#[test]
fn each_value_is_shown_with_its_source() {
    let mut server = Server::absent("[server]\nlisten = \"127.0.0.1:6000\"\n[auth]\nfailures_per_account = 7\n");
    server.initialise();
    let mut command = server.command(&["config", "show", "--json"]);
    let output = command.env("PORTCULLIS_AUTH_FAILURES_PER_ACCOUNT", "8").output().expect("it runs");
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let whole = shown.to_string();
    assert!(whole.contains("127.0.0.1:6000"), "{whole}");
    let table = text(&server, &["config", "show"]);
    let line = |key: &str| table.lines().find(|line| line.starts_with(key)).expect("a line").to_owned();
    assert!(line("server.listen").contains("test.toml"), "from the file: {table}");
    assert!(line("auth.failures_per_account").contains('7'), "{table}");
    assert!(line("auth.token_lifetime").contains("default"), "{table}");
    assert!(whole.contains("PORTCULLIS_AUTH_FAILURES_PER_ACCOUNT"), "from the environment: {whole}");
}

#[test]
fn the_sample_is_the_file_that_is_delivered_and_it_is_valid() {
    let mut server = Server::absent("");
    let sample = text(&server, &["config", "default"]);
    let delivered = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/portcullis.toml");
    assert_eq!(sample, std::fs::read_to_string(delivered).expect("the sample"));
    server.configure(&sample);
    assert_eq!(json(&server, &["config", "check"])["valid"], true);
}

#[test]
fn an_invalid_configuration_is_told_by_line_and_key() {
    let server = Server::absent("[server]\nlisten = \"nonsense\"\n");
    let said = refusal(&server.try_run(&["config", "check"], ""));
    assert!(said.contains("test.toml:2") && said.contains("server.listen"), "{said}");
}
