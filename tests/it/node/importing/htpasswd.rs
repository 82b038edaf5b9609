//! Users of another registry, with the passwords that they have there.

use std::fs;
use std::process::Command;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{said, with_a_folder};
use crate::support::Image;
use crate::support::server::ADMIN_PASSWORD;

#[tokio::test(flavor = "multi_thread")]
async fn users_of_htpasswd_log_in_as_before_and_are_hashed_again_at_that() {
    let (server, folder) = with_a_folder().await;
    let file = folder.join("htpasswd");
    let made = Command::new("htpasswd")
        .args(["-cbB", &file.display().to_string(), "alice", "the password of alice"])
        .output()
        .expect("htpasswd is missing: apt-get install apache2-utils");
    assert!(made.status.success(), "{}", said(&made));
    let bcrypt = fs::read_to_string(&file).expect("there");
    let others = "# users\n\nold:$apr1$aaaaaaaa$bbbbbbbbbbbbbbbbbbbbbb\nBob Ross:$2y$05$x\nno colon\nadmin:";
    fs::write(&file, format!("{bcrypt}{others}{}", bcrypt.split_once(':').expect("a line").1)).expect("ours");

    let path = file.display().to_string();
    let output = server.try_run(&["import", "htpasswd", &path, "--json"], "");
    assert!(!output.status.success(), "{}", said(&output));
    let imported: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&imported["imported"], &imported["exist_already"]),
        (&json!(["alice"]), &json!(["admin"])),
        "{imported}"
    );
    assert_eq!(imported["refused"].as_array().expect("a list").len(), 3, "{imported}");
    assert!(!said(&output).contains("no colon"), "what may be a password is not printed");

    let wrong = server.actor("alice", "another password");
    assert_eq!(wrong.get("/v2/alice/app/tags/list").await.status(), StatusCode::UNAUTHORIZED);
    let alice = server.actor("alice", "the password of alice");
    Image::of("hers").push(&alice, "alice/app", "v1").await;
    let hash = server.database().open().await.user(&"alice".parse().expect("a name")).await.expect("read");
    let hash = hash.expect("there").password_hash;
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    let again = server.actor("alice", "the password of alice");
    assert_eq!(again.get("/v2/alice/app/tags/list").await.status(), StatusCode::OK);
    // The administrator's password is the one of here.
    Image::of("admin's").push(&server.actor("admin", ADMIN_PASSWORD), "team/app", "v1").await;
}
