//! What is stored is damaged behind the registry's back: it is found, hidden, and healed by the next push. What is being pushed meanwhile is
//! never taken for a fault.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::image::digest;
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Actor, Image, Server, eventually, postgres, s3};

/// A registry on one machine, or on a database server with a bucket.
struct Subject {
    server: Server,
    bucket: Option<Arc<s3::Bucket>>,
    admin: Actor,
}

impl Subject {
    async fn on_a_disk() -> Self {
        Self::start(None, None).await
    }

    async fn on_services() -> Self {
        Self::start(Some(postgres::database()), Some(Arc::new(s3::Bucket::new()))).await
    }

    async fn start(database: Option<String>, bucket: Option<Arc<s3::Bucket>>) -> Self {
        let mut server = Server::absent("");
        let data = server.home().join("data");
        server.keep_at(&data, database, bucket.clone());
        server.initialise();
        server.spawn().await;
        let admin = server.actor("admin", ADMIN_PASSWORD);
        Self { server, bucket, admin }
    }

    /// Where the contents are.
    fn contents(&self) -> Vec<PathBuf> {
        let pattern = match &self.bucket {
            Some(bucket) => bucket.folder().join("registry/u/*"),
            None => self.server.data().join("blobs/sha256/*/*"),
        };
        glob::glob(&pattern.to_string_lossy()).expect("a pattern").filter_map(Result::ok).collect()
    }

    fn file_of(&self, content: &[u8]) -> PathBuf {
        let is_it = |path: &PathBuf| fs::read(path).is_ok_and(|bytes| bytes == content);
        self.contents().into_iter().find(is_it).expect("it is stored")
    }

    /// The report, and whether nothing is wrong.
    async fn check(&self, arguments: &[&str]) -> (bool, Value) {
        let mut command = self.server.command(&["check", "--json"]);
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("no panic");
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.success(), report)
    }

    async fn status(&self, content: &[u8]) -> (StatusCode, StatusCode) {
        let path = format!("/v2/team/app/blobs/{}", digest(content));
        (self.admin.head(&path).await.status(), self.admin.get(&path).await.status())
    }
}

fn flip_a_bit(path: &PathBuf) {
    let file = File::options().read(true).write(true).open(path).expect("a content");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 3).expect("read");
    file.write_all_at(&[byte[0] ^ 4], 3).expect("written");
}

const FINE: (StatusCode, StatusCode) = (StatusCode::OK, StatusCode::OK);
const UNKNOWN: (StatusCode, StatusCode) = (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND);

async fn a_flipped_bit_is_found_hidden_and_healed(subject: Subject) {
    let (good, bad) = (Image::of("good"), Image::of("bad"));
    good.push(&subject.admin, "team/app", "good").await;
    bad.push(&subject.admin, "team/app", "bad").await;
    let (sound, before) = subject.check(&["--scrub"]).await;
    assert!(sound && before["blobs"] == 4 && before["read"] == 4, "{before}");
    // They were read just now: these are pushed after that.
    let late = Image::of("late");
    late.push(&subject.admin, "team/app", "late").await;
    flip_a_bit(&subject.file_of(&late.layer));
    assert!(subject.check(&[]).await.0, "lengths do not tell");
    let (sound, report) = subject.check(&["--scrub"]).await;
    assert!(!sound && report["read"] == 2, "{report}");
    assert_eq!(report["faults"][0]["name"], digest(&late.layer), "{report}");
    assert_eq!((&report["counts"]["damaged"], &report["waiting"]), (&1.into(), &false.into()), "{report}");
    eventually("it is unknown", async || subject.status(&late.layer).await == UNKNOWN).await;
    assert_eq!(subject.status(&late.config).await, FINE);
    assert_eq!(subject.status(&good.layer).await, FINE);
    assert!(!subject.check(&[]).await.0, "it is still lost");
    let aside = fs::read_dir(subject.server.data().join("quarantine")).map_or(0, Iterator::count);
    assert_eq!(aside, usize::from(subject.bucket.is_none()), "of a bucket nothing is moved");

    late.push(&subject.admin, "team/app", "late").await;
    assert_eq!(subject.status(&late.layer).await, FINE);
    let (sound, report) = subject.check(&["--scrub"]).await;
    assert!(sound && report["read"] == 1, "{report}");
    assert_eq!(report["manifests"], 3);
    assert_ne!(report["digest"], before["digest"]);
}

async fn lost_content_is_found_hidden_and_healed(subject: Subject) {
    let image = Image::of("an image");
    image.push(&subject.admin, "team/app", "v1").await;
    fs::remove_file(subject.file_of(&image.layer)).expect("removed");
    let short = subject.file_of(&image.config);
    File::options().write(true).open(short).and_then(|file| file.set_len(5)).expect("cut");
    let (sound, report) = subject.check(&[]).await;
    assert!(!sound, "{report}");
    assert_eq!((&report["counts"]["missing"], &report["counts"]["wrong_size"]), (&1.into(), &1.into()), "{report}");
    assert!(!subject.check(&["--repair"]).await.0);
    for content in [&image.layer, &image.config] {
        eventually("it is unknown", async || subject.status(content).await == UNKNOWN).await;
    }
    let refused = image.put_manifest(&subject.admin, "team/app", "v2").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "an image without its layers");
    image.push(&subject.admin, "team/app", "v1").await;
    for content in [&image.layer, &image.config] {
        assert_eq!(subject.status(content).await, FINE);
    }
    let (sound, report) = subject.check(&["--scrub"]).await;
    assert!(sound, "{report}");
}

async fn leftovers_are_found_and_removed(subject: Subject) {
    let image = Image::of("an image");
    image.push(&subject.admin, "team/app", "v1").await;
    let content = b"content that no row knows".as_slice();
    let hex = digest(content).replace("sha256:", "");
    let name = |age: &str| match &subject.bucket {
        Some(bucket) => bucket.folder().join(format!("registry/u/00000000-0000-7000-8000-{age}-0123456789abcdef")),
        None => {
            subject.server.data().join(format!("blobs/sha256/{}/{}{hex}", &hex[..2], if age == OLD { "" } else { "x" }))
        }
    };
    let (old, new) = (name(OLD), name("000000000002"));
    fs::write(&old, content).expect("written");
    fs::write(&new, content).expect("written");
    assert!(subject.check(&[]).await.0, "it may be about to be used");
    let long_ago = SystemTime::now() - Duration::from_hours(48);
    File::options().write(true).open(&old).and_then(|file| file.set_modified(long_ago)).expect("dated");
    let (sound, report) = subject.check(&[]).await;
    assert!(!sound && report["counts"]["unreferenced"] == 1, "{report}");
    let (sound, report) = subject.check(&["--repair"]).await;
    assert!(sound && report["repaired"] == 1, "{report}");
    eventually("it is removed", async || !old.exists()).await;
    assert!(new.exists());
    assert_eq!(subject.status(&image.layer).await, FINE);
    let (sound, report) = subject.check(&[]).await;
    assert!(sound, "{report}");
}

/// The last part of a session's name.
const OLD: &str = "000000000001";

async fn what_is_being_pushed_is_not_a_fault(subject: Subject) {
    let stop = Arc::new(AtomicBool::new(false));
    let alice = subject.server.actor("admin", ADMIN_PASSWORD);
    let pushing = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            let mut pushed = 0;
            while !stop.load(Ordering::Relaxed) {
                Image::of(&format!("image {pushed}")).push(&alice, "team/app", &format!("t{pushed}")).await;
                pushed += 1;
            }
            pushed
        }
    });
    for _ in 0..5 {
        let (sound, report) = subject.check(&["--scrub", "--repair"]).await;
        assert!(sound && report["repaired"] == 0, "{report}");
    }
    stop.store(true, Ordering::Relaxed);
    let pushed: u64 = pushing.await.expect("it pushed");
    let (sound, report) = subject.check(&[]).await;
    assert!(sound && pushed > 0, "{report}");
    assert_eq!((report["blobs"].as_u64(), report["tags"].as_u64()), (Some(2 * pushed), Some(pushed)));
}

macro_rules! on_both {
    ($($story:ident),+ $(,)?) => {
        mod on_a_disk {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(super::Subject::on_a_disk().await).await;
            })+
        }

        mod on_services {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(super::Subject::on_services().await).await;
            })+
        }
    };
}

on_both! {
    a_flipped_bit_is_found_hidden_and_healed,
    lost_content_is_found_hidden_and_healed,
    leftovers_are_found_and_removed,
    what_is_being_pushed_is_not_a_fault,
}
