//! Moving in within a bucket: contents are read where the other registry has them, until it is given up.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{LONG_AGO, date, fill, has_everything, import};
use crate::support::distribution::{Distribution, Version, everything};
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Server, postgres, s3};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("writable");
    for entry in fs::read_dir(from).expect("readable").map(|entry| entry.expect("readable")) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("copied");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distribution_in_a_bucket_moves_in_by_key() {
    let mut source = Distribution::start(Version::Three).await;
    let filled = fill(&source.actor(None)).await;
    source.stop();
    let bucket = Arc::new(s3::Bucket::new());
    let (folder, name) = (bucket.folder(), bucket.name());
    copy(&source.root(), &folder.join("old"));
    date(&folder.join("old/docker/registry/v2/repositories/team/app/_manifests/tags/v1/current/link"));
    let untouched = everything(&folder.join("old"));
    let mut server = Server::absent("");
    server.keep_in_a_file();
    let mut server = server.with_database(&postgres::database()).with_bucket(&bucket);
    server.initialise();
    server.spawn().await;

    let place = format!("s3://{name}/old");
    let report = import(&server, &["distribution", &place, "--report"]);
    assert_eq!((&report["only_by_copy"], &report["tags"], &report["not_kept"]), (&Value::Null, &json!(4), &json!(0)));
    let imported = import(&server, &["distribution", &place]);
    assert_eq!((&imported["new_contents"], &imported["not_kept"]), (&json!(9), &json!(0)), "{imported}");
    let admin = server.actor("admin", ADMIN_PASSWORD);
    has_everything(&admin, &filled).await;
    assert_eq!(bucket.objects(), [], "no content is there twice");
    assert!(everything(&folder.join("old")) == untouched, "the source is as it was");
    let tags: Value =
        serde_json::from_slice(&server.run(&["repo", "tags", "team/app", "--json"]).stdout).expect("JSON");
    let v1 = tags.as_array().expect("a list").iter().find(|tag| tag["tag"] == "v1").expect("there");
    assert_eq!((&v1["updated_at"], LONG_AGO), (&json!("2021-01-01T00:00:00Z"), 1_609_459_200), "{tags}");

    let again = import(&server, &["distribution", &place]);
    assert_eq!((&again["new_contents"], &again["manifests"]), (&json!(0), &json!(7)), "{again}");
    assert_eq!(import(&server, &["finish"])["contents"], json!(9));
    assert_eq!(import(&server, &["finish"])["contents"], json!(0));
    has_everything(&admin, &filled).await;
}
