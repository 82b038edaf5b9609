//! Garbage collection as an operator has it: space comes back, and nothing that is used or about to be used goes. Each story runs with SQLite
//! and a disk, and with PostgreSQL and a bucket.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::image::{MANIFEST_TYPE, digest};
use crate::support::s3::Bucket;
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Actor, Image, Server, postgres};

/// The server leaves the review to the command, so that each step is seen.
const SETTINGS: &str = "[trash]\nkeep = \"0s\"\n[gc]\nenabled = false\n";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// As if the leases of all that was pushed had ended, and a server had forgotten what it knew of them.
const AGE: &str = "UPDATE blobs SET lease_until = 0; UPDATE repositories SET generation = generation + 1;
    UPDATE collection_queue SET review_after = 0, changes = changes + 1, claimed_until = 0";

struct Registry {
    server: Server,
    bucket: Option<Arc<Bucket>>,
    admin: Actor,
}

impl Registry {
    async fn on_a_disk() -> Self {
        let mut server = Server::absent(SETTINGS);
        server.keep_in_a_file();
        Self::serve(server, None).await
    }

    async fn on_a_bucket() -> Self {
        let bucket = Arc::new(Bucket::new());
        let server = Server::absent(SETTINGS).with_bucket(&bucket).with_database(&postgres::database());
        Self::serve(server, Some(bucket)).await
    }

    async fn serve(mut server: Server, bucket: Option<Arc<Bucket>>) -> Self {
        server.initialise();
        server.spawn().await;
        let admin = server.actor("admin", ADMIN_PASSWORD);
        Self { server, bucket, admin }
    }

    async fn age(&self) {
        self.server.database().execute(AGE).await;
    }

    fn gc(&self, arguments: &[&str]) -> Value {
        let output = self.server.run(&[&["gc", "--json"], arguments].concat());
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.server.run(&["gc", "status", "--json"]).stdout).expect("JSON")
    }

    /// How many contents there are.
    fn contents(&self) -> usize {
        if let Some(bucket) = &self.bucket {
            return bucket.objects().iter().filter(|(name, _)| name.starts_with("u/")).count();
        }
        glob::glob(&format!("{}/blobs/sha256/*/*", self.server.data().display())).expect("a pattern").count()
    }

    async fn delete(&self, repository: &str, reference: &str) {
        let deleted = self.admin.delete(&format!("/v2/{repository}/manifests/{reference}")).await;
        assert_eq!(deleted.status(), StatusCode::ACCEPTED);
    }

    async fn expect(&self, image: &Image, repository: &str, tag: &str) {
        let found = self.admin.get(&format!("/v2/{repository}/manifests/{tag}")).await;
        assert_eq!(found.bytes().await.expect("a manifest"), image.manifest);
        for part in [&image.config, &image.layer] {
            let found = self.admin.get(&format!("/v2/{repository}/blobs/{}", digest(part))).await;
            assert_eq!(found.status(), StatusCode::OK);
            assert!(found.bytes().await.expect("a blob") == part.as_slice());
        }
    }

    async fn push_manifest(&self, path: &str, content_type: &str, manifest: &Value) -> String {
        let bytes = manifest.to_string().into_bytes();
        let pushed = self.admin.put(&format!("/v2/{path}"), content_type, bytes.clone()).await;
        assert_eq!(pushed.status(), StatusCode::CREATED, "{}", pushed.text().await.unwrap_or_default());
        digest(&bytes)
    }
}

/// A test of the story on each storage.
macro_rules! on_both {
    ($($story:ident),+ $(,)?) => {
        mod disk {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                Box::pin(super::$story(super::Registry::on_a_disk().await)).await;
            })+
        }
        mod bucket {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                Box::pin(super::$story(super::Registry::on_a_bucket().await)).await;
            })+
        }
    };
}

on_both! {
    a_deleted_image_gives_its_space_back,
    an_index_goes_with_its_own_children_and_its_signature,
    stores_that_do_not_belong_together_lose_nothing,
    a_layer_that_is_pushed_again_while_it_is_removed_is_there,
}

async fn a_deleted_image_gives_its_space_back(mut registry: Registry) {
    let (gone, kept) = (Image::with_layer("gone", vec![7; 300_000]), Image::of("kept"));
    gone.push(&registry.admin, "app", "v1").await;
    kept.push(&registry.admin, "app", "v2").await;
    registry.delete("app", &gone.digest()).await;
    assert_eq!(registry.gc(&["--now"])["freed_bytes"], 0, "its layers are leased");
    registry.age().await;
    let bytes = (gone.config.len() + gone.layer.len()) as u64;
    let (before, waiting) = (registry.contents(), registry.status()["waiting"].clone());
    let forecast = registry.gc(&["--dry-run", "--now"]);
    assert_eq!(
        (&forecast["blobs"], &forecast["bytes"], &forecast["repositories"]),
        (&json!(2), &json!(bytes), &json!(1))
    );
    assert_eq!((registry.contents(), &registry.status()["waiting"]), (before, &waiting), "nothing changed");
    let collected = registry.gc(&["--now"]);
    assert_eq!((&collected["blobs"], &collected["freed_bytes"]), (&json!(2), &json!(bytes)));
    assert_eq!(registry.contents(), before - 2);
    assert_eq!(registry.status()["freed_bytes"], bytes);
    registry.expect(&kept, "app", "v2").await;

    // Again, while no server runs.
    gone.push(&registry.admin, "app", "v3").await;
    registry.expect(&gone, "app", "v3").await;
    registry.server.run(&["repo", "remove", "app"]);
    registry.age().await;
    registry.server.stop().await;
    assert_eq!(registry.gc(&["--now"])["blobs"], 4);
    assert_eq!(registry.contents(), 0);
}

async fn an_index_goes_with_its_own_children_and_its_signature(registry: Registry) {
    let (shared, own) = (Image::of("shared child"), Image::of("own child"));
    for (image, name) in [(&shared, "a"), (&own, "b")] {
        image.push(&registry.admin, "multi", name).await;
    }
    let describe =
        |image: &Image| json!({ "mediaType": MANIFEST_TYPE, "digest": image.digest(), "size": image.manifest.len() });
    let index = |images: &[&Image], note: &str| {
        json!({
            "schemaVersion": 2, "mediaType": INDEX_TYPE, "annotations": { "note": note },
            "manifests": images.iter().map(|image| describe(image)).collect::<Vec<_>>(),
        })
    };
    let first = index(&[&shared, &own], "first");
    let described = registry.push_manifest("multi/manifests/v1", INDEX_TYPE, &first).await;
    registry.push_manifest("multi/manifests/v2", INDEX_TYPE, &index(&[&shared], "second")).await;
    let signature = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": "application/x-signature",
        "config": { "mediaType": "application/x", "digest": digest(&own.config), "size": own.config.len() }, "layers": [],
        "subject": { "mediaType": INDEX_TYPE, "digest": described, "size": first.to_string().len() },
    });
    let signature_digest = digest(signature.to_string().as_bytes());
    registry.push_manifest(&format!("multi/manifests/{signature_digest}"), MANIFEST_TYPE, &signature).await;
    for tag in ["a", "b", "v1"] {
        registry.delete("multi", tag).await;
    }
    registry.age().await;
    assert_eq!(registry.gc(&["--dry-run", "--now"])["manifests"], 3);
    let collected = registry.gc(&["--now"]);
    assert_eq!((&collected["manifests"], &collected["blobs"]), (&json!(3), &json!(2)));
    for gone in [&described, &own.digest(), &signature_digest] {
        let found = registry.admin.get(&format!("/v2/multi/manifests/{gone}")).await;
        assert_eq!(found.status(), StatusCode::NOT_FOUND);
    }
    registry.expect(&shared, "multi", &shared.digest()).await;
}

async fn stores_that_do_not_belong_together_lose_nothing(registry: Registry) {
    let image = Image::of("of another life");
    image.push(&registry.admin, "app", "v1").await;
    registry.gc(&[]);
    registry.delete("app", &image.digest()).await;
    registry.age().await;
    // As after a backup of the database was restored.
    let other = "UPDATE collection_guard SET mark = '00000000-0000-0000-0000-000000000001', mark_before = mark";
    registry.server.database().execute(other).await;
    let other = "UPDATE collection_guard SET mark_before = ''";
    registry.server.database().execute(other).await;
    let before = registry.contents();
    let refused = registry.server.try_run(&["gc", "--now"], "");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("portcullis check"), "{told}");
    let stopped = registry.status()["stopped"].to_string();
    assert!(stopped.contains("portcullis check"), "{stopped}");
    assert_eq!(registry.contents(), before);
    registry.server.run(&["check"]);
    registry.age().await;
    assert_eq!(registry.gc(&["--now"])["blobs"], 2);
    assert_eq!(registry.contents(), before - 2);
}

/// Each round pushes an image with the layer that is being removed at that moment.
async fn a_layer_that_is_pushed_again_while_it_is_removed_is_there(registry: Registry) {
    let image = Image::with_layer("again", vec![9; 100_000]);
    for round in 0..8 {
        let repository = format!("r{}", round % 3);
        image.push(&registry.admin, &repository, "latest").await;
        registry.expect(&image, &repository, "latest").await;
        registry.delete(&repository, &image.digest()).await;
        registry.age().await;
        let mut command = registry.server.command(&["gc", "--now"]);
        let collecting = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
        tokio::time::sleep(std::time::Duration::from_millis(40 * round)).await;
        image.push(&registry.admin, "again", "latest").await;
        let collected = collecting.await.expect("no panic");
        assert!(collected.status.success(), "{}", String::from_utf8_lossy(&collected.stderr));
        registry.expect(&image, "again", "latest").await;
        registry.delete("again", &image.digest()).await;
    }
    registry.age().await;
    registry.gc(&["--now"]);
    assert_eq!(registry.contents(), 0);
}
