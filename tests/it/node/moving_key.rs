//! The key that encrypts secrets in the database moves with the registry, to wherever the target's configuration has it.

use std::path::Path;

use reqwest::StatusCode;

use super::moving::{Place, filled, has, said, start_on_a_file, takes};
use crate::support::server::ALICE_PASSWORD;
use crate::support::{Image, Server, postgres};

/// The configuration of a target that names this file.
fn with_key_file(server: &Server, place: &Place, key: &Path) -> String {
    let config = place.config(server);
    let text = std::fs::read_to_string(&config).expect("readable");
    std::fs::write(&config, format!("{text}[secrets]\nkey_file = \"{}\"\n", key.display())).expect("writable");
    config
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("there").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_put_where_the_target_looks_for_it_and_back() {
    let mut server = start_on_a_file().await;
    let images = filled(&server, 1).await;
    let token = server.actor("alice", ALICE_PASSWORD).token(&["repository:alice/app:pull"]).await.expect("a token");
    let key = server.home().join("registry.key");
    let there = Place::at(&server.home().join("there"), Some(postgres::database()));
    server.run(&["migrate-storage", "--to", &with_key_file(&server, &there, &key)]);
    let ours = read(&server.data().join("keys/seal.key"));
    assert_eq!(read(&key), ours);
    assert!(!there.data.join("keys").exists(), "one place is enough");
    server.stop().await;
    there.is_now_of(&mut server);
    server.set_variable("PORTCULLIS_SECRETS_KEY_FILE", &key.display().to_string());
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    has(&alice, "alice/app", "v0", &images[0]).await;
    let path = "/v2/alice/app/manifests/v0";
    let old = alice.with_token(reqwest::Method::GET, path, &token).send().await.expect("an answer");
    assert_eq!(old.status(), StatusCode::OK, "a token from before the move");

    // Back to a data directory, which names no file.
    let back = Place::at(&server.home().join("back"), None);
    server.run(&["migrate-storage", "--to", &back.config(&server)]);
    assert_eq!(read(&back.data.join("keys/seal.key")), ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_another_key_is_refused_before_anything_is_copied() {
    let server = start_on_a_file().await;
    filled(&server, 1).await;
    let key = server.home().join("registry.key");
    std::fs::write(&key, [7; 32]).expect("writable");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    let there = Place::at(&server.home().join("there"), Some(postgres::database()));
    let config = with_key_file(&server, &there, &key);
    let refused = said(&server.try_run(&["migrate-storage", "--to", &config], ""));
    for part in ["registry.key", "seal.key", "secrets.key_file"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert_eq!(std::fs::read(&key).expect("there"), [7; 32]);
    let contents = there.data.join("blobs/**/*").display().to_string();
    let mut contents = glob::glob(&contents).expect("a pattern").filter_map(Result::ok).filter(|path| path.is_file());
    assert_eq!(contents.next(), None, "nothing was copied");
    takes(&server.actor("alice", ALICE_PASSWORD), &Image::of("after"), "alice/after").await;
    std::fs::remove_file(&key).expect("ours");
    server.run(&["migrate-storage", "--to", &config]);
}
