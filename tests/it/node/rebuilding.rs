//! The database is lost and was not backed up: it is made again from the copy next to the blobs, and what cannot be known is said.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::image::digest;
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Image, Server, eventually, postgres, s3};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn ca(server: &Server) -> Value {
    let shown: Value = serde_json::from_slice(&server.run(&["ca", "show", "--json"]).stdout).expect("JSON");
    shown["sha256"].clone()
}

/// The copies next to the blobs.
fn copies(folder: &Path) -> usize {
    fs::read_dir(folder.join("metadata")).map_or(0, Iterator::count)
}

fn lose_the_file(server: &Server) {
    for name in ["portcullis.db", "portcullis.db-wal", "portcullis.db-shm"] {
        let _ = fs::remove_file(server.data().join(name));
    }
}

async fn a_lost_database_is_made_again(database: Option<String>, bucket: Option<Arc<s3::Bucket>>) {
    let mut server = Server::absent("");
    let data = server.home().join("data");
    server.keep_at(&data, database.clone(), bucket.clone());
    server.initialise();
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let (early, late) = (Image::of("early"), Image::of("late"));
    early.push(&admin, "team/app", "v1").await;
    let folder = bucket.as_ref().map_or_else(|| data.join("blobs"), |bucket| bucket.folder().join("registry"));
    eventually("a copy is made", async || copies(&folder) == 1).await;
    late.push(&admin, "team/app", "v2").await;
    let refused = server.try_run(&["check", "--rebuild"], "");
    assert!(said(&refused).contains("is already served by process"), "{}", said(&refused));
    let before = ca(&server);
    server.stop().await;
    let refused = server.try_run(&["check", "--rebuild"], "");
    assert!(said(&refused).contains("holds a registry already"), "{}", said(&refused));

    match &database {
        Some(_) => server.keep_at(&data, Some(postgres::database()), bucket.clone()),
        None => lose_the_file(&server),
    }
    let rebuilt = server.run(&["check", "--rebuild"]);
    for word in ["was made again from the copy of", "what was deleted is back"] {
        assert!(said(&rebuilt).contains(word), "{}", said(&rebuilt));
    }
    server.spawn().await;
    assert_eq!(ca(&server), before);
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let manifest = admin.get("/v2/team/app/manifests/v1").await;
    assert_eq!(manifest.bytes().await.expect("a manifest"), early.manifest);
    let layer = admin.get(&format!("/v2/team/app/blobs/{}", digest(&early.layer))).await;
    assert_eq!(layer.bytes().await.expect("a blob"), early.layer);
    assert_eq!(admin.get("/v2/team/app/manifests/v2").await.status(), StatusCode::NOT_FOUND);
    late.push(&admin, "team/app", "v2").await;
    server.run(&["check", "--scrub"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_file_is_made_again() {
    a_lost_database_is_made_again(None, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_server_is_made_again() {
    a_lost_database_is_made_again(Some(postgres::database()), Some(Arc::new(s3::Bucket::new()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_copy_nothing_is_made_and_a_damaged_one_is_told() {
    let mut server = Server::absent("[storage]\nmetadata_copy = \"0s\"\n");
    server.keep_in_a_file();
    server.initialise();
    server.spawn().await;
    Image::of("an image").push(&server.actor("admin", ADMIN_PASSWORD), "team/app", "v1").await;
    server.stop().await;
    lose_the_file(&server);
    let refused = server.try_run(&["check", "--rebuild"], "");
    assert!(said(&refused).contains("blobs alone say nothing about tags"), "{}", said(&refused));
    assert!(!server.data().join("portcullis.db").exists());
    let copies = server.data().join("blobs/metadata");
    fs::create_dir_all(&copies).expect("made");
    fs::write(copies.join("20260101T000000Z.sealed"), b"\0\0\0\x05wrong").expect("written");
    let refused = server.try_run(&["check", "--rebuild"], "");
    assert!(said(&refused).contains("the registry's key does not open the copy"), "{}", said(&refused));
}
