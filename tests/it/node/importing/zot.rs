//! Moving in from zot, whose layout is made here after its format: one OCI image layout for each repository.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{INDEX_TYPE, date, has, has_image, import, with_a_folder};
use crate::support::Image;
use crate::support::distribution::everything;
use crate::support::image::{MANIFEST_TYPE, digest};
use crate::support::server::ADMIN_PASSWORD;

/// A repository as zot stores it: every content under its digest, and an index of the manifests except for children.
struct Layout<'l> {
    folder: &'l Path,
    name: &'l str,
    listed: Vec<Value>,
}

impl<'l> Layout<'l> {
    fn new(folder: &'l Path, name: &'l str) -> Self {
        fs::create_dir_all(folder.join(name).join("blobs/sha256")).expect("writable");
        Self { folder, name, listed: Vec::new() }
    }

    fn blob(&self, content: &[u8]) -> PathBuf {
        let hex = digest(content).replace("sha256:", "");
        let path = self.folder.join(self.name).join("blobs/sha256").join(hex);
        fs::write(&path, content).expect("writable");
        path
    }

    fn image(&self, image: &Image) {
        for content in [&image.config, &image.layer, &image.manifest] {
            self.blob(content);
        }
    }

    fn list(&mut self, media_type: &str, content: &[u8], tag: Option<&str>) {
        let mut descriptor = json!({"mediaType": media_type, "digest": digest(content), "size": content.len()});
        if let Some(tag) = tag {
            descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        }
        self.listed.push(descriptor);
    }

    fn finish(self) {
        let index = json!({"schemaVersion": 2, "manifests": self.listed});
        let folder = self.folder.join(self.name);
        fs::write(folder.join("index.json"), index.to_string()).expect("writable");
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("writable");
        fs::create_dir(folder.join(".uploads")).expect("writable");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zot_moves_in_with_children_referrers_and_contents_that_are_elsewhere() {
    let (server, folder) = with_a_folder().await;
    let (app, children) = (Image::of("the app"), [Image::of("one child"), Image::of("other child")]);
    let mut layout = Layout::new(&folder, "team/app");
    layout.image(&app);
    date(&layout.blob(&app.manifest));
    layout.list(MANIFEST_TYPE, &app.manifest, Some("v1"));
    layout.list(MANIFEST_TYPE, &app.manifest, Some("latest"));
    let subject = json!({"mediaType": MANIFEST_TYPE, "digest": app.digest(), "size": app.manifest.len()});
    let signature = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": "application/x-signature", "layers": [], "subject": subject,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
    });
    layout.blob(b"{}");
    let signature = signature.to_string().into_bytes();
    layout.blob(&signature);
    layout.list(MANIFEST_TYPE, &signature, None);
    layout.finish();
    let mut layout = Layout::new(&folder, "multi");
    let listed = children.iter().map(|child| {
        layout.image(child);
        json!({"mediaType": MANIFEST_TYPE, "digest": child.digest(), "size": child.manifest.len()})
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed.collect::<Vec<_>>()});
    let index = index.to_string().into_bytes();
    layout.blob(&index);
    layout.list(INDEX_TYPE, &index, Some("v1"));
    layout.finish();
    // Its layer has an empty twin here, as zot leaves them in a bucket.
    let mut layout = Layout::new(&folder, "team/twin");
    layout.image(&app);
    fs::write(layout.blob(&app.layer), b"").expect("writable");
    layout.list(MANIFEST_TYPE, &app.manifest, Some("v1"));
    layout.finish();
    fs::create_dir_all(folder.join("_trivy/db")).expect("writable");
    let untouched = everything(&folder);

    let path = folder.display().to_string();
    let report = import(&server, &["zot", &path, "--report"]);
    assert_eq!(
        (&report["repositories"], &report["manifests"], &report["tags"]),
        (&json!(3), &json!(6), &json!(4)),
        "{report}"
    );
    let imported = import(&server, &["zot", &path]);
    assert_eq!((&imported["manifests"], &imported["not_kept"]), (&json!(6), &json!(0)), "{imported}");
    assert!(everything(&folder) == untouched, "the source is as it was");
    fs::remove_dir_all(&folder).expect("ours");
    let admin = server.actor("admin", ADMIN_PASSWORD);
    has_image(&admin, "team/app", "v1", &app).await;
    has_image(&admin, "team/twin", "v1", &app).await;
    has(&admin, "multi", "v1", &index).await;
    for child in &children {
        has_image(&admin, "multi", &child.digest(), child).await;
    }
    let referrers = admin.get(&format!("/v2/team/app/referrers/{}", app.digest())).await;
    let referrers: Value = referrers.json().await.expect("JSON");
    assert_eq!(referrers["manifests"][0]["digest"], digest(&signature), "{referrers}");
    let tags: Value =
        serde_json::from_slice(&server.run(&["repo", "tags", "team/app", "--json"]).stdout).expect("JSON");
    assert!(tags.as_array().expect("a list").iter().all(|tag| tag["updated_at"] == "2021-01-01T00:00:00Z"), "{tags}");
}
