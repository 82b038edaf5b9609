//! kill -9: a process that pushes is killed again and again; all that it said was done must be there.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use portcullis::domain::Digest;
use portcullis::domain::Precondition;
use portcullis::storage::blobs::BlobStore;
use portcullis::storage::metadata::{BlobRecord, Metadata, NewManifest, PutOutcome, UploadProgress, UploadRecord};

use super::content::{LEASE, body, change, content, disk, drain, empty, fresh, name, push, sha256, sqlite};

/// Tells the child where to push to.
const FOLDER: &str = "PORTCULLIS_TEST_CRASH_FOLDER";
/// How often the child is killed.
const KILLS: u64 = 5;
/// After how many acknowledgements.
const PUSHES: usize = 40;

/// Runs in the child alone; in the suite it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_child_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let store = disk(&folder);
    let metadata = sqlite(&folder).await;
    let round: u64 = std::env::var("ROUND").expect("set").parse().expect("a number");
    let workers = (0..8_u64).map(|worker| {
        let (store, metadata) = (Arc::clone(&store), Arc::clone(&metadata));
        tokio::spawn(async move {
            for number in 0_u64.. {
                let seed = round * 1_000_000 + worker * 100_000 + number;
                let pushed = push_image(&*store, &*metadata, seed).await;
                // The harness may have begun a line.
                let line = format!("\ndone {seed} {pushed}\n");
                std::io::stdout().write_all(line.as_bytes()).expect("the parent listens");
            }
        })
    });
    futures_util::future::join_all(workers).await;
}

/// A blob of up to 200 kB, a manifest of it, a tag, and an upload under way; returns manifest, blob and upload.
async fn push_image(store: &dyn BlobStore, metadata: &dyn Metadata, seed: u64) -> String {
    let repository = name(&format!("crash/{}", seed % 7));
    let bytes = content(usize::try_from(seed % 200_000).expect("small"), seed);
    let (digest, key) = push(store, &bytes).await.expect("pushed");
    let blob = BlobRecord { digest: digest.clone(), size: bytes.len() as u64, key };
    metadata.link_blob(&repository, blob, None, LEASE).await.expect("linked");
    let document = bytes::Bytes::from(format!("{{\"seed\":{seed}}}"));
    let manifest = NewManifest {
        digest: sha256(&document),
        media_type: "application/vnd.oci.image.manifest.v1+json".parse().expect("valid"),
        content: document.clone(),
        artifact_type: None,
        annotations: None,
        subject: None,
        blobs: vec![digest.clone()],
        children: Vec::new(),
        may_be_sparse: false,
        tags: vec![format!("t{seed}").parse().expect("valid")],
        precondition: Precondition::Absent,
    };
    let put = metadata.put_manifest(&repository, manifest, LEASE, &change()).await.expect("put");
    assert_eq!(put, PutOutcome::Stored);
    let staged = store.append(fresh(), body(&bytes, 9_000), true).await.expect("appended").staged;
    let upload = UploadRecord {
        id: staged.area.upload,
        repository,
        subject: "user:crash".to_owned(),
        owner: "user:crash".to_owned(),
        progress: UploadProgress::from(&staged),
        updated_at: 0,
    };
    metadata.create_upload(upload, 1000).await.expect("stored");
    format!("{digest} {}", staged.area.upload)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_to_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut acknowledged = Vec::new();
    for round in 0..KILLS {
        let lines = run_and_kill(folder.path(), round);
        assert!(lines.len() >= PUSHES);
        acknowledged.extend(lines);
    }
    let store = disk(folder.path());
    let metadata = sqlite(folder.path()).await;
    for line in acknowledged {
        check(&*store, &*metadata, &line).await;
    }
    metadata.close().await.expect("closed");
}

fn run_and_kill(folder: &Path, round: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", "storage::crash::the_child_that_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env("ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut lines = Vec::new();
    for line in output.lines().map_while(Result::ok).filter(|line| line.starts_with("done ")) {
        lines.push(line);
        if lines.len() == PUSHES {
            // SIGKILL. What is still in the pipe was acknowledged as well.
            child.kill().expect("killed");
        }
    }
    child.wait().expect("ended");
    // The last line may be cut in half.
    lines
        .retain(|line| line.split(' ').count() == 4 && line.len() > 36 && line.split(' ').all(|word| !word.is_empty()));
    lines
}

async fn check(store: &dyn BlobStore, metadata: &dyn Metadata, line: &str) {
    let mut words = line.split(' ').skip(1);
    let seed: u64 = words.next().expect("a seed").parse().expect("a number");
    let digest: Digest = words.next().expect("a digest").parse().expect("valid");
    let Ok(upload) = words.next().expect("an upload").parse() else { return };
    let repository = name(&format!("crash/{}", seed % 7));
    let bytes = content(usize::try_from(seed % 200_000).expect("small"), seed);

    let tag = format!("t{seed}").parse().expect("valid");
    let manifest = metadata.manifest_by_tag(&repository, &tag).await.expect("read").expect("the tag is there");
    assert_eq!(manifest.content, format!("{{\"seed\":{seed}}}"));
    let blob = metadata.blob(&repository, &digest).await.expect("read").expect("the link is there").blob;
    assert_eq!(blob.size, bytes.len() as u64);
    assert!(drain(store.read(&blob.key, 0..blob.size).await.expect("opened")).await.expect("read") == bytes);

    let upload = metadata.upload(&repository, "user:crash", upload).await.expect("read").expect("the session is there");
    let staged = upload.staged().expect("restored");
    assert_eq!(staged.hasher.clone().finish(), digest);
    store.append(staged, empty(), false).await.expect("the upload continues");
}
