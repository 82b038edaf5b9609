//! The schema of the database over upgrades: what is shown of it, that an upgrade may be killed at any moment, and who may go back.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use super::{json, refusal, text};
use crate::node::earlier_data::unpacked;
use crate::support::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_registry_has_nothing_to_run_and_nothing_to_finalize() {
    let server = Server::start().await;
    let status = json(&server, &["migrate", "status"]);
    assert_eq!((&status["to_run"], &status["to_finalize"], &status["copies"]), (&json!([]), &json!([]), &json!([])));
    assert_eq!((&status["schema"], &status["refuses_this_version"]), (&status["known"], &json!(false)));
    assert!(text(&server, &["migrate", "status"]).contains("to run       nothing"), "{status}");
    assert!(text(&server, &["migrate", "run"]).contains("no step was missing"));
    assert_eq!(json(&server, &["migrate", "finalize"])["done"], json!([]));
}

#[tokio::test]
async fn an_earlier_database_is_copied_aside_upgraded_used_and_finalized() {
    let mut server = unpacked();
    let before = json(&server, &["migrate", "status"]);
    assert!(!before["to_run"].as_array().expect("a list").is_empty(), "{before}");
    assert_eq!(json(&server, &["migrate", "status"]), before, "looking changes nothing");
    assert_eq!(json(&server, &["migrate", "run"])["done"], before["to_run"]);
    let after = json(&server, &["migrate", "status"]);
    assert_eq!((&after["schema"], &after["to_run"]), (&after["known"], &json!([])));
    assert!(after["to_finalize"].to_string().contains("unused columns"), "{after}");
    assert_eq!(after["copies"][0]["schema"], before["schema"], "{after}");

    server.spawn().await;
    assert_eq!(json(&server, &["migrate", "status"])["to_finalize"], after["to_finalize"], "a start does not finalize");
    assert_eq!(json(&server, &["migrate", "finalize"])["done"], after["to_finalize"]);
    assert_eq!(json(&server, &["repo", "list"]).as_array().expect("a list").len(), 3);
    server.stop().await;

    // The way back: the copy replaces the database.
    let copy = after["copies"][0]["path"].as_str().expect("a path");
    std::fs::copy(copy, server.data().join("portcullis.db")).expect("copied");
    let returned = json(&server, &["migrate", "status"]);
    assert_eq!((&returned["schema"], &returned["to_run"]), (&before["schema"], &before["to_run"]));
    server.spawn().await;
    assert_eq!(json(&server, &["repo", "list"]).as_array().expect("a list").len(), 3);
}

#[tokio::test]
async fn nothing_is_finalized_while_a_node_of_another_version_serves() {
    let server = unpacked();
    server.run(&["migrate", "run"]);
    let beat = "INSERT INTO nodes (id, version, address, started_at, seen_at, leaving, clock_ahead, settings)
        VALUES ('other', '0.0.9', 'node2:5000', 1, 99999999999, 0, 0, '{}')";
    server.database().execute(beat).await;
    let said = refusal(&server.try_run(&["migrate", "finalize"], ""));
    assert!(said.contains("node2:5000 runs version 0.0.9"), "{said}");
    server.database().execute("DELETE FROM nodes").await;
    server.run(&["migrate", "finalize"]);
}

#[tokio::test]
async fn an_upgrade_that_is_killed_continues() {
    let server = unpacked();
    for milliseconds in 0..40 {
        let mut upgrade = server.command(&["migrate", "run"]);
        let mut upgrade = upgrade.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        upgrade.kill().expect("ours");
        upgrade.wait().expect("ended");
    }
    server.run(&["migrate", "run"]);
    let status = json(&server, &["migrate", "status"]);
    assert_eq!((&status["schema"], &status["to_run"]), (&status["known"], &json!([])));
    assert_eq!(json(&server, &["repo", "list"]).as_array().expect("a list").len(), 3);
}

#[tokio::test]
async fn a_database_that_a_newer_version_finalized_is_refused_in_words() {
    let mut server = Server::absent("");
    server.initialise();
    server.database().execute("UPDATE meta SET min_schema = 9999, min_version = '7.0.0'").await;
    for arguments in [&["repo", "list"][..], &["serve", "--listen", "127.0.0.1:0"], &["migrate", "run"]] {
        let output = server.try_run(arguments, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("version 7.0.0") && said.contains("start that version"), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(1));
    }
    assert!(refusal(&server.try_run(&["repo", "list"], "")).contains("schema 9999"));
    assert_eq!(json(&server, &["migrate", "status"])["refuses_this_version"], json!(true));
    let found = server.try_run(&["doctor"], "");
    assert!(String::from_utf8_lossy(&found.stdout).contains("finalized by a newer version (7.0.0"), "{found:?}");
}
