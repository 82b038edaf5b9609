//! What the program says about itself: completions, manual pages, its version, and whether it is ready.

use std::fs;
use std::process::{Command, Stdio};

use super::{json, refusal, text};
use crate::support::{Server, require_programs};

#[test]
fn completions_know_every_command_and_are_valid_in_their_shell() {
    let server = Server::absent("");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&server, &["completions", shell]);
        for word in ["serve", "trust-command", "own-existing"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
        if shell == "bash" && require_programs(&["bash"], "bash") {
            let file = server.home().join("completions");
            fs::write(&file, &script).expect("writable");
            let parsed = Command::new("bash").arg("-n").arg(&file).stdin(Stdio::null()).output().expect("bash runs");
            assert!(parsed.status.success(), "{parsed:?}");
        }
    }
    assert_eq!(server.try_run(&["completions", "cmd"], "").status.code(), Some(2));
}

#[test]
fn the_manual_is_one_page_or_one_for_each_command() {
    let server = Server::absent("");
    let page = text(&server, &["man"]);
    assert!(page.contains(".TH portcullis 1") && page.contains("serve"), "{page}");
    let folder = server.home().join("new/man1");
    server.run(&["man", folder.to_str().expect("text")]);
    for name in ["portcullis.1", "portcullis-serve.1", "portcullis-user-add.1"] {
        assert!(fs::read_to_string(folder.join(name)).expect("a page").contains(".TH "), "{name}");
    }
    fs::write(server.home().join("file"), "").expect("writable");
    let occupied = server.home().join("file").display().to_string();
    let said = refusal(&server.try_run(&["man", &occupied], ""));
    assert!(said.contains(&occupied), "{said}");
}

#[test]
fn the_version_is_told_in_both_forms() {
    let server = Server::absent("");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(text(&server, &["version"]), format!("portcullis {version}\n"));
    assert_eq!(json(&server, &["version"]), serde_json::json!({ "version": version }));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_whether_the_server_of_this_data_directory_is_ready() {
    let mut server = Server::start().await;
    let listen = format!("127.0.0.1:{}", server.port());
    server.configure(&format!("[server]\nlisten = \"{listen}\"\n"));
    server.run(&["health"]);
    server.stop().await;
    let said = refusal(&server.try_run(&["health", "--timeout", "5"], ""));
    assert!(said.contains(&listen), "{said}");
}
