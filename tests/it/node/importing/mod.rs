//! Moving in from another registry: a real distribution is filled, its storage imported, and everything is here as it was there: images,
//! untagged children, referrers, dates. The source is not changed, and no content is there twice.

mod bucket;
mod htpasswd;
mod registry;
mod zot;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::distribution::{Distribution, Version, everything};
use crate::support::image::{MANIFEST_TYPE, digest, push_blob};
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Actor, Image, Server, postgres, s3};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// When what is dated was pushed: 2021-01-01.
const LONG_AGO: u64 = 1_609_459_200;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What a source is filled with.
struct Filled {
    app: Image,
    before: Image,
    children: [Image; 2],
    index: Vec<u8>,
    signature: Vec<u8>,
}

async fn put(who: &Actor, path: &str, media_type: &str, body: &[u8]) {
    let answer = who.put(path, media_type, body).await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{path}: {}", answer.text().await.unwrap_or_default());
}

async fn fill(who: &Actor) -> Filled {
    let (before, app) = (Image::of("the app before"), Image::of("the app"));
    before.push(who, "team/app", "v1").await;
    app.push(who, "team/app", "v1").await;
    app.push(who, "team/app", "latest").await;
    app.push(who, "team/app/copies/of/it", "v1").await;
    let children = [Image::of("one child"), Image::of("other child")];
    for child in &children {
        for blob in [&child.config, &child.layer] {
            push_blob(who, "multi", blob).await;
        }
        put(who, &format!("/v2/multi/manifests/{}", child.digest()), MANIFEST_TYPE, &child.manifest).await;
    }
    let listed: Vec<Value> = children
        .iter()
        .map(|child| json!({"mediaType": MANIFEST_TYPE, "digest": child.digest(), "size": child.manifest.len()}))
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed}).to_string().into_bytes();
    put(who, "/v2/multi/manifests/v1", INDEX_TYPE, &index).await;
    let empty = push_blob(who, "team/app", b"{}").await;
    let subject = json!({"mediaType": MANIFEST_TYPE, "digest": app.digest(), "size": app.manifest.len()});
    let signature = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": "application/x-signature",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2}, "layers": [],
        "subject": subject, "annotations": {"by": "someone"},
    });
    let signature = signature.to_string().into_bytes();
    put(who, &format!("/v2/team/app/manifests/{}", digest(&signature)), MANIFEST_TYPE, &signature).await;
    Filled { app, before, children, index, signature }
}

async fn has(who: &Actor, repository: &str, reference: &str, bytes: &[u8]) {
    let answer = who.get(&format!("/v2/{repository}/manifests/{reference}")).await;
    assert_eq!(answer.status(), StatusCode::OK, "{repository} {reference}");
    assert_eq!(answer.bytes().await.expect("a manifest"), bytes, "{repository} {reference}");
}

async fn has_image(who: &Actor, repository: &str, reference: &str, image: &Image) {
    has(who, repository, reference, &image.manifest).await;
    for blob in [&image.config, &image.layer] {
        let answer = who.get(&format!("/v2/{repository}/blobs/{}", digest(blob))).await;
        assert_eq!(answer.status(), StatusCode::OK, "{repository} {reference}");
        assert_eq!(answer.bytes().await.expect("a blob"), **blob);
    }
}

async fn has_everything(who: &Actor, filled: &Filled) {
    has_image(who, "team/app", "v1", &filled.app).await;
    has_image(who, "team/app", "latest", &filled.app).await;
    has_image(who, "team/app", &filled.before.digest(), &filled.before).await;
    has_image(who, "team/app/copies/of/it", "v1", &filled.app).await;
    has(who, "multi", "v1", &filled.index).await;
    for child in &filled.children {
        has_image(who, "multi", &child.digest(), child).await;
    }
    let referrers = who.get(&format!("/v2/team/app/referrers/{}", filled.app.digest())).await;
    let referrers: Value = referrers.json().await.expect("JSON");
    assert_eq!(referrers["manifests"][0]["digest"], digest(&filled.signature), "{referrers}");
    assert_eq!(referrers["manifests"][0]["annotations"]["by"], "someone", "{referrers}");
}

fn import(server: &Server, arguments: &[&str]) -> Value {
    let mut all = vec!["import"];
    all.extend(arguments);
    all.push("--json");
    serde_json::from_slice(&server.run(&all).stdout).expect("JSON")
}

fn date(path: &Path) {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(LONG_AGO);
    File::open(path).and_then(|file| file.set_modified(long_ago)).expect("a file of ours");
}

/// A distribution of this version moves to this server. `copy` where contents are in another place.
async fn moves_in(version: Version, mut server: Server, copy: bool) {
    let mut source = Distribution::start(version).await;
    let filled = fill(&source.actor(None)).await;
    source.stop();
    let hex = filled.app.digest().replace("sha256:", "");
    date(&source.file("repositories/team/app/_manifests/tags/v1/current/link"));
    date(&source.file(&format!("repositories/team/app/_manifests/revisions/sha256/{hex}/link")));
    let untouched = everything(&source.root());
    server.initialise();
    server.spawn().await;
    let root = source.root().display().to_string();

    let report = import(&server, &["distribution", &root, "--report"]);
    assert_eq!((&report["repositories"], &report["tags"]), (&json!(3), &json!(4)), "{report}");
    // Two of the app and its signature, its copy, the index and its children.
    assert_eq!((&report["manifests"], &report["not_kept"]), (&json!(7), &json!(0)), "{report}");
    assert_eq!(report["only_by_copy"].is_null(), !copy, "{report}");
    let admin = server.actor("admin", ADMIN_PASSWORD);
    assert_eq!(admin.get("/v2/multi/tags/list").await.status(), StatusCode::NOT_FOUND, "a report imports nothing");

    let arguments = ["distribution", &root, "--copy"];
    let imported = import(&server, if copy { &arguments } else { &arguments[..2] });
    assert_eq!((&imported["manifests"], &imported["tags"]), (&json!(7), &json!(4)), "{imported}");
    assert_eq!(imported["new_contents"], json!(9), "{imported}");
    has_everything(&admin, &filled).await;
    let tags: Value =
        serde_json::from_slice(&server.run(&["repo", "tags", "team/app", "--json"]).stdout).expect("JSON");
    let v1 = tags.as_array().expect("a list").iter().find(|tag| tag["tag"] == "v1").expect("there");
    assert_eq!(v1["updated_at"], "2021-01-01T00:00:00Z", "{tags}");
    let shown: Value =
        serde_json::from_slice(&server.run(&["repo", "show", "team/app", "--json"]).stdout).expect("JSON");
    assert_eq!(shown["created_at"], "2021-01-01T00:00:00Z", "{shown}");

    assert!(everything(&source.root()) == untouched, "the source is as it was");
    let names = fs::metadata(source.content(&digest(&filled.app.layer))).expect("there").nlink();
    assert_eq!(names, if copy { 1 } else { 2 }, "no content is there twice");
    let again = import(&server, if copy { &arguments } else { &arguments[..2] });
    assert_eq!(
        (&again["new_contents"], &again["manifests"], &again["tags"]),
        (&json!(0), &json!(7), &json!(4)),
        "{again}"
    );

    fs::remove_dir_all(source.root()).expect("ours");
    has_everything(&admin, &filled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distribution_3_moves_in_by_hard_links() {
    let mut server = Server::absent("");
    server.keep_in_a_file();
    moves_in(Version::Three, server, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distribution_2_of_debian_moves_in_to_a_database_server() {
    let mut server = Server::absent("");
    server.keep_in_a_file();
    moves_in(Version::Two, server.with_database(&postgres::database()), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distribution_is_copied_to_a_database_server_and_a_bucket() {
    let mut server = Server::absent("");
    server.keep_in_a_file();
    let server = server.with_database(&postgres::database()).with_bucket(&Arc::new(s3::Bucket::new()));
    moves_in(Version::Three, server, true).await;
}

/// A Harbor stores contents, manifests and tags as a distribution does.
#[tokio::test(flavor = "multi_thread")]
async fn a_harbor_moves_in_as_its_registry_stores_it() {
    let mut server = Server::absent("");
    server.keep_in_a_file();
    server.initialise();
    server.spawn().await;
    let mut source = Distribution::start(Version::Three).await;
    let filled = fill(&source.actor(None)).await;
    source.stop();
    let imported = import(&server, &["harbor", &source.root().display().to_string()]);
    assert_eq!((&imported["tags"], &imported["not_kept"]), (&json!(4), &json!(0)), "{imported}");
    has_everything(&server.actor("admin", ADMIN_PASSWORD), &filled).await;
}

/// A server on a file, and a source that has been imported once.
async fn imported_once() -> (Server, Distribution, String) {
    let mut server = Server::absent("");
    server.keep_in_a_file();
    server.initialise();
    server.spawn().await;
    let source = Distribution::start(Version::Three).await;
    let who = source.actor(None);
    for (tag, image) in [("stays", "stays"), ("moves", "before"), ("moves-here", "before here")] {
        Image::of(image).push(&who, "app", tag).await;
    }
    let root = source.root().display().to_string();
    let imported = import(&server, &["distribution", &root]);
    assert_eq!(imported["tags"], json!(3), "{imported}");
    (server, source, root)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_import_brings_what_is_new_and_leaves_what_is_newer_here() {
    let (server, source, root) = imported_once().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    // Dates are of whole seconds.
    let second = Duration::from_secs(1);
    tokio::time::sleep(second).await;
    let who = source.actor(None);
    let (moved, new, of_both, here) = (Image::of("after"), Image::of("new"), Image::of("there"), Image::of("here"));
    moved.push(&who, "app", "moves").await;
    new.push(&who, "other/new", "v1").await;
    of_both.push(&who, "app", "moves-here").await;
    tokio::time::sleep(second).await;
    here.push(&admin, "app", "moves-here").await;

    let imported = import(&server, &["distribution", &root]);
    assert_eq!((&imported["newer_tags"], &imported["not_kept"]), (&json!(1), &json!(0)), "{imported}");
    has_image(&admin, "app", "moves", &moved).await;
    has_image(&admin, "other/new", "v1", &new).await;
    has_image(&admin, "app", "stays", &Image::of("stays")).await;
    has_image(&admin, "app", "moves-here", &here).await;
    has_image(&admin, "app", &of_both.digest(), &of_both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_or_missing_is_named_and_the_rest_is_kept() {
    let mut server = Server::absent("");
    server.keep_in_a_file();
    server.initialise();
    server.spawn().await;
    let mut source = Distribution::start(Version::Two).await;
    let who = source.actor(None);
    let [good, flipped, short, gone] = ["good", "flipped", "short", "gone"].map(Image::of);
    for (tag, image) in [("good", &good), ("flipped", &flipped), ("short", &short), ("gone", &gone)] {
        image.push(&who, "app", tag).await;
    }
    source.stop();
    let mut bytes = flipped.layer.clone();
    bytes[0] ^= 1;
    fs::write(source.content(&digest(&flipped.layer)), bytes).expect("ours");
    fs::write(source.content(&digest(&short.layer)), b"cut").expect("ours");
    fs::remove_file(source.content(&gone.digest())).expect("ours");
    let root = source.root().display().to_string();

    let report = import(&server, &["distribution", &root, "--report"]);
    // A flipped bit is found when it is read.
    assert_eq!((&report["tags"], &report["not_kept"]), (&json!(2), &json!(4)), "{report}");
    let output = server.try_run(&["import", "distribution", &root], "");
    assert!(!output.status.success(), "{}", said(&output));
    let text = said(&output);
    for loss in ["app:flipped", "app:short", "app:gone", "its content is missing", "another content than its name says"]
    {
        assert!(text.contains(loss), "{loss}: {text}");
    }
    assert!(text.contains("6 things could not be kept; everything else was imported"), "{text}");
    let admin = server.actor("admin", ADMIN_PASSWORD);
    has_image(&admin, "app", "good", &good).await;
    assert_eq!(admin.get("/v2/app/manifests/flipped").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_folder_and_what_cannot_be_linked_is_refused_with_the_way_out() {
    let mut server = Server::absent("");
    server.keep_in_a_file();
    server.initialise();
    let nothing = server.try_run(&["import", "distribution", &server.home().display().to_string()], "");
    assert!(
        said(&nothing).contains("name the directory that contains docker/registry/v2/repositories"),
        "{}",
        said(&nothing)
    );
    let source = Distribution::start(Version::Two).await;
    Image::of("app").push(&source.actor(None), "app", "v1").await;
    let bucket = server.with_bucket(&Arc::new(s3::Bucket::new()));
    let refused = bucket.try_run(&["import", "distribution", &source.root().display().to_string()], "");
    assert!(said(&refused).contains("with --copy"), "{}", said(&refused));
}

/// A server on a file, and an empty folder for a source.
async fn with_a_folder() -> (Server, std::path::PathBuf) {
    let mut server = Server::absent("");
    server.keep_in_a_file();
    server.initialise();
    server.spawn().await;
    let folder = server.home().join("source");
    fs::create_dir(&folder).expect("writable");
    (server, folder)
}
