//! A registry is backed up while people push, and restored into other storage: everything that was acknowledged before is there, hosts trust it
//! as before, and nothing that was damaged meanwhile is taken for good.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::image::digest;
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Actor, Image, Server, eventually, postgres, require_programs, s3};

const PASSPHRASE: &str = "a passphrase of some length";

/// A registry, or an empty place for one.
struct Subject {
    server: Server,
    bucket: Option<Arc<s3::Bucket>>,
}

impl Subject {
    /// `true`: on a database server, with blobs in a bucket.
    fn absent(services: bool) -> Self {
        let mut server = Server::absent("");
        let (data, bucket) = (server.home().join("data"), services.then(|| Arc::new(s3::Bucket::new())));
        server.keep_at(&data, services.then(postgres::database), bucket.clone());
        fs::write(server.home().join("passphrase"), format!("{PASSPHRASE}\n")).expect("written");
        Self { server, bucket }
    }

    async fn start(services: bool) -> Self {
        let mut subject = Self::absent(services);
        subject.server.initialise();
        subject.server.spawn().await;
        subject
    }

    fn admin(&self) -> Actor {
        self.server.actor("admin", ADMIN_PASSWORD)
    }

    fn passphrase(&self) -> String {
        self.server.home().join("passphrase").display().to_string()
    }

    /// Lets this server reach the bucket of another, though its own blobs are on a disk.
    fn can_reach(&mut self, bucket: &s3::Bucket) {
        let home = self.server.home().to_owned();
        for (name, value) in bucket.variables(&home).into_iter().filter(|(name, _)| *name != "PORTCULLIS_BLOBS_STORE") {
            self.server.set_variable(name, &value);
        }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.server.command(arguments);
        tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("no panic")
    }

    /// What a command prints, which must succeed.
    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat()).await;
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    async fn back_up(&self, destination: &str) -> Value {
        self.json(&["backup", destination, "--passphrase-file", &self.passphrase()]).await
    }

    async fn restore(&self, source: &str) -> Value {
        self.json(&["restore", source, "--passphrase-file", &self.passphrase()]).await
    }

    /// What a command that must fail says.
    async fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{}", said(&output));
        said(&output)
    }

    async fn ca(&self) -> Value {
        self.json(&["ca", "show"]).await["sha256"].clone()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

async fn has(who: &Actor, repository: &str, tag: &str, image: &Image) {
    let manifest = who.get(&format!("/v2/{repository}/manifests/{tag}")).await;
    assert_eq!(manifest.status(), StatusCode::OK, "{repository}:{tag}");
    assert_eq!(manifest.bytes().await.expect("a manifest"), image.manifest, "{repository}:{tag}");
    for blob in [&image.config, &image.layer] {
        let content = who.get(&format!("/v2/{repository}/blobs/{}", digest(blob))).await;
        assert_eq!(content.status(), StatusCode::OK, "{repository}:{tag}");
        assert_eq!(content.bytes().await.expect("a blob"), **blob, "{repository}:{tag}");
    }
}

/// Pushes until it is told to stop; gives the images that were acknowledged.
fn keep_pushing(who: Actor, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<Vec<Image>> {
    let stop = Arc::clone(stop);
    tokio::spawn(async move {
        let mut pushed = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let image = Image::of(&format!("pushed meanwhile {}", pushed.len()));
            image.push(&who, "team/meanwhile", &format!("t{}", pushed.len())).await;
            pushed.push(image);
        }
        pushed
    })
}

/// skopeo pulls it with the CA that the host has trusted since before the restore.
async fn skopeo_pulls(server: &Server, ca: &str, image: &str) {
    require_programs(&["skopeo"], "skopeo");
    let certificates = server.home().join("certificates");
    fs::create_dir_all(&certificates).expect("made");
    fs::write(certificates.join("ca.crt"), ca).expect("written");
    let target = server.home().join(format!("pulled-{}", image.replace(['/', ':'], "-")));
    let mut command = Command::new("skopeo");
    command.args(["copy", "--src-creds", &format!("admin:{ADMIN_PASSWORD}"), "--src-cert-dir"]).arg(&certificates);
    command.arg(format!("docker://{}/{image}", server.host())).arg(format!("dir:{}", target.display()));
    let output = tokio::task::spawn_blocking(move || command.output().expect("skopeo")).await.expect("no panic");
    assert!(output.status.success(), "{}", said(&output));
}

async fn a_backup_under_pushes_is_restored_elsewhere(from: bool, to: bool) {
    let mut source = Subject::start(from).await;
    let admin = source.admin();
    source.server.add_user("alice", "a password of alice");
    source.server.run(&["grant", "add", "--to", "user:alice", "--on", "team/**", "--allow", "pull"]);
    let large = Image::with_layer("large", (0..12_000_000_u32).map(|byte| (byte % 251) as u8).collect());
    large.push(&admin, "team/large", "v1").await;
    let mut before = Vec::new();
    for number in 0..10 {
        before.push(Image::of(&format!("image {number}")));
        before[number].push(&admin, "team/app", &format!("t{number}")).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let pushing = keep_pushing(source.admin(), &stop);
    eventually("pushes have begun", async || {
        admin.head("/v2/team/meanwhile/manifests/t3").await.status() == StatusCode::OK
    })
    .await;
    let destination = match &source.bucket {
        Some(bucket) => format!("s3://{}/backups/of/team", bucket.name()),
        None => source.server.home().join("backups").display().to_string(),
    };
    let made = source.back_up(&destination).await;
    stop.store(true, Ordering::Relaxed);
    let meanwhile = pushing.await.expect("it pushed");
    assert!(made["tags"].as_u64() >= Some(15) && made["keys"] == true && made["missing"] == serde_json::json!([]));

    let (ca, trusted) = (source.ca().await, source.server.ca().to_owned());
    // What comes later is not in it.
    Image::of("too late").push(&admin, "team/app", "late").await;
    let mut target = Subject::absent(to);
    if let (Some(bucket), false) = (&source.bucket, to) {
        target.can_reach(bucket);
    }
    source.server.stop().await;
    let restored = target.restore(&destination).await;
    assert_eq!(restored["digest"], made["digest"]);
    assert_ne!(restored["instance"], made["instance"], "it is another registry");
    target.server.spawn().await;
    assert_eq!(target.ca().await, ca);
    let admin = target.admin();
    has(&admin, "team/large", "v1", &large).await;
    for (number, image) in before.iter().enumerate() {
        has(&admin, "team/app", &format!("t{number}"), image).await;
    }
    for (number, image) in meanwhile.iter().take(4).enumerate() {
        has(&admin, "team/meanwhile", &format!("t{number}"), image).await;
    }
    assert_eq!(admin.head("/v2/team/app/manifests/late").await.status(), StatusCode::NOT_FOUND);
    has(&target.server.actor("alice", "a password of alice"), "team/app", "t0", &before[0]).await;
    skopeo_pulls(&target.server, &trusted, "team/large:v1").await;
    let checked = target.json(&["check", "--scrub"]).await;
    assert_eq!((&checked["digest"], &checked["blobs"]), (&made["digest"], &made["blobs"]), "{checked}");
    Image::of("after the restore").push(&admin, "team/app", "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_disk_is_restored_into_a_database_server_and_a_bucket() {
    a_backup_under_pushes_is_restored_elsewhere(false, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_database_server_and_a_bucket_is_restored_onto_a_disk() {
    a_backup_under_pushes_is_restored_elsewhere(true, false).await;
}

/// A small registry with a backup in a directory.
async fn backed_up() -> (Subject, PathBuf, Value) {
    let subject = Subject::start(false).await;
    for number in 0..5 {
        Image::of(&format!("image {number}")).push(&subject.admin(), "team/app", &format!("t{number}")).await;
    }
    let place = subject.server.home().join("backups");
    let made = subject.back_up(&place.display().to_string()).await;
    (subject, place, made)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_backup_copies_what_is_new_and_each_can_be_restored() {
    let (source, place, first) = backed_up().await;
    let place = place.display().to_string();
    assert_eq!((&first["blobs"], &first["copied_blobs"]), (&10.into(), &10.into()));
    let new = Image::of("new");
    new.push(&source.admin(), "team/app", "t0").await;
    // Ids have seconds in them.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = source.json(&["backup", &place, "--verify"]).await;
    assert_eq!((&second["blobs"], &second["copied_blobs"], &second["keys"]), (&12.into(), &2.into(), &false.into()));
    assert_eq!(second["verified"], true);
    let listed = source.json(&["backup", "list", &place]).await;
    let ids: Vec<&Value> = listed.as_array().expect("a list").iter().map(|backup| &backup["id"]).collect();
    assert_eq!(ids, [&first["id"], &second["id"]]);
    let text = said(&source.run(&["backup", "list", &place]).await);
    assert!(text.starts_with("ID ") && text.contains("complete"), "{text}");

    let mut older = Subject::absent(false);
    let id = first["id"].as_str().expect("text");
    let passphrase = older.passphrase();
    let restored = older.json(&["restore", &place, "--id", id, "--passphrase-file", &passphrase]).await;
    assert_eq!(restored["digest"], first["digest"]);
    older.server.spawn().await;
    assert_eq!(older.ca().await, source.ca().await);
    has(&older.admin(), "team/app", "t0", &Image::of("image 0")).await;

    // Without keys, it is a registry with a CA of its own, and the same users.
    let mut newest = Subject::absent(true);
    let text = said(&newest.run(&["restore", &place]).await);
    assert!(text.contains("every host must trust that"), "{text}");
    newest.server.spawn().await;
    assert_ne!(newest.ca().await, source.ca().await);
    has(&newest.admin(), "team/app", "t0", &new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_is_refused_in_words() {
    let (source, place, made) = backed_up().await;
    let (backups, id) = (place.display().to_string(), made["id"].as_str().expect("text").to_owned());
    let passphrase = source.passphrase();
    let with_keys = ["restore", &backups, "--passphrase-file", &passphrase];
    let refused = source.refused(&with_keys).await;
    assert!(refused.contains("is already served by process"), "{refused}");
    let target = Subject::absent(false);
    let refused = target.refused(&["restore", &backups]).await;
    assert!(refused.contains("--passphrase-file") && refused.contains("--without-keys"), "{refused}");
    let wrong = target.server.home().join("wrong");
    fs::write(&wrong, "another passphrase\n").expect("written");
    let refused = target.refused(&["restore", &backups, "--passphrase-file", &wrong.display().to_string()]).await;
    assert!(refused.contains("the passphrase does not open the keys"), "{refused}");
    assert!(!target.server.data().join("portcullis.db").exists(), "nothing changed");
    let refused = target.refused(&["restore", &target.server.home().display().to_string()]).await;
    assert!(refused.contains("has no complete backup"), "{refused}");
    let refused = source.refused(&["backup", &source.server.data().join("backup").display().to_string()]).await;
    assert!(refused.contains("is in the data directory"), "{refused}");

    // A damaged content, then a damaged database, each put right again.
    let content = glob::glob(&place.join("blobs/sha256/*/*").to_string_lossy()).expect("a pattern").next();
    let content = content.expect("one").expect("readable");
    let database = place.join("backups").join(&id).join("metadata.sqlite");
    for (file, word) in
        [(&content, "its content of sha256:"), (&database, "is not what the manifest of the backup says")]
    {
        let before = fs::read(file).expect("there");
        let mut after = before.clone();
        after[10] ^= 1;
        fs::write(file, after).expect("written");
        let refused = target.refused(&with_keys).await;
        assert!(refused.contains(word), "{refused}");
        fs::write(file, before).expect("written");
    }
    newer_versions_are_refused(&target, &place, &id, &with_keys).await;
    // What was interrupted by damage continues.
    let restored = target.restore(&backups).await;
    assert_eq!(restored["digest"], made["digest"]);
    let refused = target.refused(&with_keys).await;
    assert!(refused.contains("a backup is restored into an empty one"), "{refused}");
}

async fn newer_versions_are_refused(target: &Subject, place: &Path, id: &str, restore: &[&str]) {
    let path = place.join("backups").join(id).join("manifest.json");
    let before = fs::read_to_string(&path).expect("there");
    for (key, value) in [("format", 99), ("schema", 9999)] {
        let mut manifest: Value = serde_json::from_str(&before).expect("JSON");
        manifest[key] = value.into();
        manifest["version"] = "9.9.9".into();
        fs::write(&path, manifest.to_string()).expect("written");
        let refused = target.refused(restore).await;
        assert!(refused.contains("made by version 9.9.9"), "{refused}");
    }
    fs::write(&path, before).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_killed_is_continued_and_a_lost_content_is_told() {
    let source = Subject::start(false).await;
    let admin = source.admin();
    for number in 0..30 {
        let layer = vec![number; 2_000_000];
        Image::with_layer(&format!("image {number}"), layer).push(&admin, "team/app", &format!("t{number}")).await;
    }
    let place = source.server.home().join("backups");
    let destination = place.display().to_string();
    let mut command = source.server.command(&["backup", &destination]);
    let mut killed = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let contents = || glob::glob(&place.join("blobs/sha256/*/*").to_string_lossy()).expect("a pattern").count();
    eventually("it has copied something", async || contents() > 5).await;
    killed.kill().expect("killed");
    killed.wait().expect("gone");
    let before = contents() as u64;
    assert!(!place.join("backups").exists(), "nothing was backed up");
    let lost = Image::of("lost");
    lost.push(&admin, "team/app", "lost").await;
    let hex = digest(&lost.layer).replace("sha256:", "");
    fs::remove_file(source.server.data().join("blobs/sha256").join(&hex[..2]).join(&hex)).expect("removed");
    let output = source.run(&["backup", &destination, "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("1 blobs are not in the backup"), "{}", said(&output));
    let made: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(made["missing"], serde_json::json!([digest(&lost.layer)]));
    assert_eq!(made["copied_blobs"].as_u64().expect("a number") + before, 61, "of 62, one is lost");

    // All else is restored, and a push brings back what was lost.
    let mut target = Subject::absent(true);
    target.json(&["restore", &destination, "--without-keys"]).await;
    target.server.spawn().await;
    let admin = target.admin();
    has(&admin, "team/app", "t29", &Image::with_layer("image 29", vec![29; 2_000_000])).await;
    let path = format!("/v2/team/app/blobs/{}", digest(&lost.layer));
    assert_eq!(admin.get(&path).await.status(), StatusCode::NOT_FOUND);
    lost.push(&admin, "team/app", "lost").await;
    has(&admin, "team/app", "lost", &lost).await;
}
