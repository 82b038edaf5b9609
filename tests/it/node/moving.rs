//! A registry moves to other storage while people push and pull, and back: everything that was acknowledged is there, hosts trust it as
//! before, people and tokens are the same. It may be killed at any moment.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::{Actor, Image, Server, eventually, header, postgres, s3};

/// Where a registry may go.
pub(super) struct Place {
    pub(super) data: PathBuf,
    database: Option<String>,
    pub(super) bucket: Option<Arc<s3::Bucket>>,
}

impl Place {
    fn file(server: &Server, name: &str) -> Self {
        Self { data: server.home().join(name), database: None, bucket: None }
    }

    /// On a database server, with blobs in a bucket.
    pub(super) fn services(server: &Server, name: &str) -> Self {
        let (database, bucket) = (Some(postgres::database()), Some(Arc::new(s3::Bucket::new())));
        Self { data: server.home().join(name), database, bucket }
    }

    /// At this data directory, with a database server or without.
    pub(super) fn at(data: &Path, database: Option<String>) -> Self {
        Self { data: data.to_owned(), database, bucket: None }
    }

    pub(super) fn is_now_of(&self, server: &mut Server) {
        server.keep_at(&self.data, self.database.clone(), self.bucket.clone());
    }

    /// The sections about blobs.
    fn blobs(&self, folder: &Path) -> String {
        let Some(bucket) = &self.bucket else { return String::new() };
        let mut text = "[blobs]\nstore = \"s3\"\n[blobs.s3]\n".to_owned();
        for (name, value) in bucket.variables(folder) {
            if let Some(key) = name.strip_prefix("PORTCULLIS_BLOBS_S3_") {
                writeln!(text, "{} = \"{value}\"", key.to_lowercase()).expect("written");
            }
        }
        for (key, secret) in [("access_key", s3::ACCESS_KEY), ("secret_key", s3::SECRET_KEY)] {
            let path = folder.join(key);
            std::fs::write(&path, secret).expect("writable");
            writeln!(text, "{key}_file = \"{}\"", path.display()).expect("written");
        }
        text
    }

    /// Its configuration, as a file.
    pub(super) fn config(&self, server: &Server) -> String {
        let database = self.database.as_ref().map(|url| format!("[database]\nurl = \"{url}\"\n")).unwrap_or_default();
        let path = server.home().join(format!("{}.toml", self.data.file_name().expect("a name").to_string_lossy()));
        let blobs = self.blobs(server.home());
        std::fs::write(&path, format!("data_dir = \"{}\"\n{database}{blobs}", self.data.display())).expect("writable");
        path.display().to_string()
    }
}

pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(super) async fn start_on_a_file() -> Server {
    let mut server = Server::absent("");
    server.keep_in_a_file();
    server.initialise();
    server.spawn().await;
    server.add_user("alice", ALICE_PASSWORD);
    server
}

/// alice pushes until she is told to stop, and repeats what is refused for a moment. Returns the tags that were acknowledged.
async fn keep_pushing(alice: Actor, stop: Arc<AtomicBool>) -> (Vec<Image>, usize) {
    let (mut pushed, mut refused) = (Vec::new(), 0);
    for number in 0.. {
        let image = Image::of(&format!("pushed meanwhile {number}"));
        loop {
            if stop.load(Ordering::Relaxed) {
                return (pushed, refused);
            }
            match image.try_push(&alice, "alice/meanwhile", &format!("t{number}")).await {
                StatusCode::CREATED => break,
                StatusCode::SERVICE_UNAVAILABLE => refused += 1,
                other => panic!("{other}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        pushed.push(image);
    }
    unreachable!("numbers do not end")
}

pub(super) async fn has(alice: &Actor, repository: &str, tag: &str, image: &Image) {
    let manifest = alice.get(&format!("/v2/{repository}/manifests/{tag}")).await;
    assert_eq!(manifest.status(), StatusCode::OK, "{repository}:{tag}");
    assert_eq!(manifest.bytes().await.expect("a manifest"), image.manifest, "{repository}:{tag}");
    for blob in [&image.config, &image.layer] {
        let digest = crate::support::image::digest(blob);
        let content = alice.get(&format!("/v2/{repository}/blobs/{digest}")).await;
        assert_eq!(content.status(), StatusCode::OK, "{digest}");
        assert_eq!(content.bytes().await.expect("a blob"), **blob, "{digest}");
    }
}

async fn move_to(server: &Server, place: &Place) -> Value {
    let config = place.config(server);
    let mut command = server.command(&["migrate-storage", "--to", &config, "--json"]);
    let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("no panic");
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Everything, as it was, with the server on the new storage.
async fn is_the_same(server: &Server, images: &[(&str, String, &Image)], ca: &str, token: &str) {
    let ours = json!(serde_json::from_slice::<Value>(&server.run(&["ca", "show", "--json"]).stdout).expect("JSON"));
    assert_eq!(ours["sha256"], ca);
    let alice = server.actor("alice", ALICE_PASSWORD);
    for (repository, tag, image) in images {
        has(&alice, repository, tag, image).await;
    }
    let admin = server.actor("admin", ADMIN_PASSWORD);
    assert_eq!(admin.get("/v2/team/tool/tags/list").await.status(), StatusCode::OK);
    let old = alice.with_token(Method::GET, "/v2/team/tool/manifests/v1", token).send().await.expect("an answer");
    assert_eq!(old.status(), StatusCode::OK, "a token from before the move");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_moves_to_a_database_server_and_a_bucket_under_pushes_and_back() {
    let mut server = start_on_a_file().await;
    let (admin, alice) = (server.actor("admin", ADMIN_PASSWORD), server.actor("alice", ALICE_PASSWORD));
    server.run(&["grant", "add", "--to", "user:alice", "--on", "team/**", "--allow", "pull"]);
    let (tool, app) = (Image::of("tool"), Image::of("app"));
    tool.push(&admin, "team/tool", "v1").await;
    app.push(&alice, "alice/app", "v1").await;
    let token = eventually_a_token(&alice, &admin).await;
    let ca = json!(serde_json::from_slice::<Value>(&server.run(&["ca", "show", "--json"]).stdout).expect("JSON"));
    let ca = ca["sha256"].as_str().expect("a digest").to_owned();

    let stop = Arc::new(AtomicBool::new(false));
    let pushing = tokio::spawn(keep_pushing(server.actor("alice", ALICE_PASSWORD), Arc::clone(&stop)));
    let there = Place::services(&server, "there");
    let moved = move_to(&server, &there).await;
    assert!(moved["tables"].as_array().expect("a list").iter().any(|table| table["table"] == "tags"), "{moved}");
    assert!(moved["blobs"].as_u64().expect("a number") >= 4, "{moved}");
    let refused = tool.try_push(&admin, "team/other", "v1").await;
    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE, "the old storage takes no more changes");
    has(&alice, "alice/app", "v1", &app).await;
    let grant = server.try_run(&["grant", "remove", "--to", "user:alice", "--on", "team/**"], "");
    assert!(said(&grant).contains("moved to other storage"), "{}", said(&grant));
    eventually("a push is refused before its bytes are sent", async || {
        let answer = alice.post("/v2/alice/late/blobs/uploads/").await;
        answer.status() == StatusCode::SERVICE_UNAVAILABLE && header(&answer, "retry-after") == "5"
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let (meanwhile, _) = pushing.await.expect("no panic");
    server.stop().await;

    there.is_now_of(&mut server);
    server.spawn().await;
    let mut images = vec![("team/tool", "v1".to_owned(), &tool), ("alice/app", "v1".to_owned(), &app)];
    images.extend(meanwhile.iter().enumerate().map(|(number, image)| ("alice/meanwhile", format!("t{number}"), image)));
    is_the_same(&server, &images, &ca, &token).await;
    let late = Image::of("pushed to the new place");
    late.push(&server.actor("alice", ALICE_PASSWORD), "alice/late", "v1").await;

    let back = Place::file(&server, "back");
    move_to(&server, &back).await;
    server.stop().await;
    back.is_now_of(&mut server);
    server.spawn().await;
    images.push(("alice/late", "v1".to_owned(), &late));
    is_the_same(&server, &images, &ca, &token).await;
    Image::of("last").push(&server.actor("alice", ALICE_PASSWORD), "alice/last", "v1").await;
}

/// A token that alice may pull the tool with, once her grant counts.
async fn eventually_a_token(alice: &Actor, admin: &Actor) -> String {
    eventually("the grant counts", async || alice.get("/v2/team/tool/manifests/v1").await.status() == StatusCode::OK)
        .await;
    assert_eq!(admin.get("/v2/team/tool/manifests/v1").await.status(), StatusCode::OK);
    alice.token(&["repository:team/tool:pull"]).await.expect("a token")
}

pub(super) async fn filled(server: &Server, images: usize) -> Vec<Image> {
    let alice = server.actor("alice", ALICE_PASSWORD);
    let mut filled = Vec::new();
    for number in 0..images {
        let image = Image::of(&format!("image {number}"));
        image.push(&alice, "alice/app", &format!("v{number}")).await;
        filled.push(image);
    }
    filled
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_killed_again_and_again_continues() {
    let mut server = start_on_a_file().await;
    let images = filled(&server, 40).await;
    let there = Place::services(&server, "there");
    let config = there.config(&server);
    for round in 0..12_u64 {
        let mut command = server.command(&["migrate-storage", "--to", &config]);
        let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        tokio::time::sleep(Duration::from_millis(60 * round)).await;
        running.kill().expect("ours");
        running.wait().expect("ended");
    }
    // It may have been complete before the last kill.
    let mut again = server.command(&["migrate-storage", "--to", &config]);
    let output = again.output().expect("it runs");
    assert!(output.status.success() || said(&output).contains("moved to"), "{}", said(&output));
    server.stop().await;
    there.is_now_of(&mut server);
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    for (number, image) in images.iter().enumerate() {
        has(&alice, "alice/app", &format!("v{number}"), image).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_and_a_failure_give_the_registry_free_and_a_released_one_takes_pushes() {
    let server = start_on_a_file().await;
    let images = filled(&server, 3).await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    let there = Place::services(&server, "there");
    let config = there.config(&server);
    let rehearsed = server.run(&["migrate-storage", "--to", &config, "--dry-run"]);
    assert!(said(&rehearsed).contains("changes are accepted again"), "{}", said(&rehearsed));
    takes(&alice, &images[0], "alice/after").await;
    let target = server.data().to_owned();
    let refused = serve_on(&server, &there);
    assert!(refused.contains("being filled"), "{refused}");

    // A content that is gone: the move names it, and the registry is free.
    let lost = crate::support::image::digest(&Image::of("lost").layer);
    Image::of("lost").push(&alice, "alice/lost", "v1").await;
    let (algorithm, hex) = lost.split_once(':').expect("a digest");
    std::fs::remove_file(target.join("blobs").join(algorithm).join(&hex[..2]).join(hex)).expect("there");
    let failed = server.try_run(&["migrate-storage", "--to", &config], "");
    assert!(!failed.status.success() && said(&failed).contains(&lost), "{}", said(&failed));
    takes(&alice, &Image::of("lost"), "alice/lost").await;

    server.run(&["migrate-storage", "--to", &config]);
    eventually("it is frozen", async || {
        alice.post("/v2/alice/late/blobs/uploads/").await.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let again = server.try_run(&["migrate-storage", "--to", &config], "");
    assert!(said(&again).contains("was moved to") && said(&again).contains("--release"), "{}", said(&again));
    server.run(&["migrate-storage", "--release"]);
    eventually("it takes pushes", async || {
        alice.post("/v2/alice/late/blobs/uploads/").await.status() == StatusCode::ACCEPTED
    })
    .await;
}

/// A server that was told to refuse changes hears within a second that it need not any more.
pub(super) async fn takes(who: &Actor, image: &Image, repository: &str) {
    eventually("changes are accepted again", async || {
        image.try_push(who, repository, "v1").await == StatusCode::CREATED
    })
    .await;
}

/// What a server says that is started on a place where it must not be.
fn serve_on(server: &Server, place: &Place) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.env_clear().arg("--config").arg(place.config(server)).args(["serve", "--listen", "127.0.0.1:0"]);
    let output = command.output().expect("it runs");
    assert!(!output.status.success());
    said(&output)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_place_is_moved_to() {
    let server = start_on_a_file().await;
    let refusal = |config: &str| {
        let output = server.try_run(&["migrate-storage", "--to", config], "");
        assert_eq!(output.status.code(), Some(1));
        said(&output)
    };
    let here = Place::at(server.data(), None);
    let same = refusal(&here.config(&server));
    assert!(same.contains("the same database"), "{same}");

    let mut other = Server::absent("");
    other.keep_in_a_file();
    other.initialise();
    let taken = refusal(&Place::at(other.data(), None).config(&server));
    assert!(taken.contains("holds a registry already"), "{taken}");

    other.spawn().await;
    let in_use = refusal(&Place::at(other.data(), None).config(&server));
    assert!(in_use.contains("already served by process"), "{in_use}");

    let with_ca = Place::at(other.data(), Some(postgres::database()));
    other.stop().await;
    let with_ca = refusal(&with_ca.config(&server));
    assert!(with_ca.contains("certificate authority of another registry"), "{with_ca}");
    assert!(refusal(Path::new("/absent.toml").to_str().expect("text")).contains("/absent.toml"));
    assert_eq!(server.try_run(&["migrate-storage"], "").status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_alone_moves_and_the_blobs_stay() {
    let mut server = start_on_a_file().await;
    let images = filled(&server, 2).await;
    let there = Place::at(server.data(), Some(postgres::database()));
    let moved = move_to(&server, &there).await;
    assert_eq!(moved["blobs"], json!(0));
    server.stop().await;
    there.is_now_of(&mut server);
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    for (number, image) in images.iter().enumerate() {
        has(&alice, "alice/app", &format!("v{number}"), image).await;
    }
}
