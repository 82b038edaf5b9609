//! Scrubbing many contents on a disk: every damaged one is found, and no other.

use std::fs;
use std::os::unix::fs::FileExt;

use jiff::Timestamp;

use super::*;
use crate::domain::{Algorithm, ManualClock};
use crate::registry::RegistrySettings;
use crate::storage::blobs::{BlobKey, disk};
use crate::storage::metadata::sqlite;

const BLOBS: usize = 10_000;
const FLIPPED: usize = 50;
const MODE: CheckMode = CheckMode { repair: true, owns_contents: true };

struct Subject {
    folder: tempfile::TempDir,
    clock: ManualClock,
    registry: Registry,
}

impl Subject {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::at(Timestamp::now());
        let metadata = sqlite::open(&folder.path().join("metadata.db"), clock.clock()).await.expect("opens");
        let blobs = disk::open(folder.path(), 0, clock.clock()).expect("opens");
        let registry = Registry::new(metadata, blobs, RegistrySettings::default(), clock.clock());
        Self { folder, clock, registry }
    }

    fn file(&self, digest: &Digest) -> std::path::PathBuf {
        self.folder.path().join("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex())
    }

    /// Stored as a push does, but for the syncs.
    async fn store(&self, count: usize) -> Vec<Digest> {
        let blobs: Vec<BlobRecord> = (0..count)
            .map(|number| {
                let content = format!("the content of number {number}");
                let digest = Hasher::digest(Algorithm::Sha256, content.as_bytes());
                fs::write(self.file(&digest), &content).expect("written");
                BlobRecord { key: BlobKey(digest.to_string()), digest, size: content.len() as u64 }
            })
            .collect();
        let digests = blobs.iter().map(|blob| blob.digest.clone()).collect();
        let name = "team/app".parse().expect("a name");
        let linked = blobs.into_iter().map(|blob| self.registry.metadata.link_blob(&name, blob, None, Duration::ZERO));
        assert!(futures_util::future::join_all(linked).await.iter().all(Result::is_ok));
        digests
    }

    async fn scrub(&self, unread_for: Duration) -> CheckReport {
        let mut report = CheckReport::default();
        let pace = ScrubPace { unread_for, pushed_ago: Duration::ZERO, throttle: None, report: &|_| () };
        self.registry.scrub(&pace, MODE, &mut report).await.expect("read");
        report
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_flipped_bit_of_many_contents_is_found() {
    let subject = Subject::open().await;
    let digests = subject.store(BLOBS).await;
    let mut damaged: Vec<String> = Vec::new();
    for digest in digests.iter().step_by(BLOBS / FLIPPED) {
        let file = fs::File::options().read(true).write(true).open(subject.file(digest)).expect("there");
        let (place, mut byte) = (damaged.len() as u64 % 20, [0]);
        file.read_exact_at(&mut byte, place).expect("read");
        file.write_all_at(&[byte[0] ^ (1 << (damaged.len() % 8))], place).expect("written");
        damaged.push(digest.to_string());
    }
    let report = subject.scrub(Duration::from_hours(24)).await;
    let mut found: Vec<String> = report.faults.iter().map(|fault| fault.name.clone()).collect();
    found.sort();
    damaged.sort();
    assert_eq!((found, report.read, report.repaired), (damaged, BLOBS as u64, FLIPPED as u64));
    let aside = fs::read_dir(subject.folder.path().join("quarantine")).expect("a directory").count();
    assert_eq!(aside, FLIPPED);
    let mut report = CheckReport::default();
    subject.registry.check_contents(MODE, &mut report).await.expect("compared");
    assert_eq!((report.blobs, report.count(FaultKind::Damaged)), (BLOBS as u64, FLIPPED as u64));
}

#[tokio::test]
async fn a_scrub_continues_where_another_ended_and_reads_again_in_time() {
    let subject = Subject::open().await;
    subject.store(10).await;
    let day = Duration::from_hours(24);
    let some = subject.registry.metadata.due_for_scrub(ScrubPlace::START, i64::MAX, i64::MAX, 4).await.expect("due");
    let read = some.iter().map(|(_, blob)| blob.digest.clone()).collect();
    subject.registry.metadata.note_verified(read).await.expect("noted");
    assert_eq!(subject.scrub(day).await.read, 6);
    assert_eq!(subject.scrub(day).await.read, 0);
    subject.clock.advance(day + Duration::from_secs(1));
    assert_eq!(subject.scrub(day).await.read, 10);
}

#[tokio::test]
async fn what_is_suspected_is_read_first_and_content_that_came_back_counts() {
    let subject = Subject::open().await;
    let digests = subject.store(3).await;
    let lost = subject.file(&digests[1]);
    let content = fs::read(&lost).expect("read");
    fs::remove_file(&lost).expect("removed");
    subject.registry.metadata.suspect(digests.clone()).await.expect("suspected");
    let mut report = CheckReport::default();
    subject.registry.scrub_suspected(&mut report).await.expect("read");
    assert_eq!((report.read, report.total(), report.repaired), (3, 1, 1));
    assert!(subject.registry.metadata.suspected(10).await.expect("read").is_empty());
    assert_eq!(subject.registry.metadata.stored_blob(&digests[1]).await.expect("read"), None);
    fs::write(&lost, content).expect("brought back");
    let mut report = CheckReport::default();
    subject.registry.check_contents(MODE, &mut report).await.expect("compared");
    assert_eq!(report.total(), 0, "{report:?}");
    assert!(subject.registry.metadata.stored_blob(&digests[1]).await.expect("read").is_some());
}

#[tokio::test]
async fn reading_keeps_to_its_rate() {
    let subject = Subject::open().await;
    let throttle = subject.registry.throttle(1000).expect("a rate");
    let began = std::time::Instant::now();
    throttle.spend(100, subject.registry.clock.instant()).await;
    assert!(began.elapsed() >= Duration::from_millis(50), "this clock does not move by itself: 100 ms are due");
    assert!(subject.registry.throttle(0).is_none());
}
