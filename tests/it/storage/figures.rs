//! Figures, on request: `cargo test --release --test it storage::figures -- --ignored --nocapture --test-threads 1`.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream;
use futures_util::{StreamExt, future::join_all};

use super::content::{LEASE, blob, change, content, disk, fresh, manifest, name, push, sqlite};

const GIB: u64 = 1 << 30;

fn per_second(count: u64, since: Instant) -> u128 {
    u128::from(count) * 1000 / since.elapsed().as_millis().max(1)
}

/// Peak resident memory of this process so far, as the kernel tells it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown").to_owned()
}

/// In the working directory: temporary ones may be in memory.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn one_gibibyte() {
    let folder = folder();
    let store = disk(folder.path());
    let chunk = content(64 * 1024, 1);
    let chunks = usize::try_from(GIB).expect("fits") / chunk.len();
    for durable in [false, true] {
        let body = stream::iter(std::iter::repeat_n(chunk.clone(), chunks)).map(Ok::<Bytes, _>);
        let start = Instant::now();
        let staged = store.append(fresh(), Box::pin(body), durable).await.expect("appended").staged;
        println!("append 1 GiB (durable: {durable}): {} MB/s", per_second(GIB / 1_000_000, start));
        let publishing = Instant::now();
        let digest = staged.hasher.clone().finish();
        let key = store.publish(&staged, &digest).await.expect("published");
        println!("  publish: {} ms", publishing.elapsed().as_millis());
        println!("  both: {} MB/s; {}", per_second(GIB / 1_000_000, start), peak_memory());
        let start = Instant::now();
        let mut reading = store.read(&key, 0..GIB).await.expect("opened");
        let mut read = 0;
        while let Some(chunk) = reading.next().await {
            read += chunk.expect("read").len() as u64;
        }
        assert_eq!(read, GIB);
        println!("  read: {} MB/s; {}", per_second(GIB / 1_000_000, start), peak_memory());
        store.remove(&key).await.expect("removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn small_blobs() {
    let folder = folder();
    let start = Instant::now();
    let store = disk(folder.path());
    println!("create the layout: {} us", start.elapsed().as_micros());
    let start = Instant::now();
    drop(disk(folder.path()));
    println!("open it again: {} us", start.elapsed().as_micros());
    for tasks in [1, 4] {
        let start = Instant::now();
        let pushes = (0..tasks).map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0..500 {
                    push(&*store, &content(4096, 1_000_000 + task * 10_000 + number + tasks * 100))
                        .await
                        .expect("pushed");
                }
            })
        });
        join_all(pushes).await;
        println!("push 4 KiB blobs, {tasks} tasks: {}/s", per_second(tasks * 500, start));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn writes_and_reads_of_the_database() {
    let folder = folder();
    let store = sqlite(folder.path()).await;
    let repository = name("figures");
    store.put_manifest(&repository, manifest("read me", &["latest"]), LEASE, &change()).await.expect("put");
    for tasks in [1, 16, 256] {
        let each = 4_096 / tasks + 50;
        let start = Instant::now();
        join_all((0..tasks).map(|task| {
            let (store, repository) = (Arc::clone(&store), repository.clone());
            tokio::spawn(async move {
                for number in 0..each {
                    let seed = tasks * 1_000_000 + task * 10_000 + number;
                    store.link_blob(&repository, blob(seed, 8), None, LEASE).await.expect("linked");
                }
            })
        }))
        .await;
        println!("link_blob, {tasks} tasks: {}/s", per_second(tasks * each, start));
    }
    for tasks in [1, 16] {
        let start = Instant::now();
        join_all((0..tasks).map(|_| {
            let (store, repository) = (Arc::clone(&store), repository.clone());
            tokio::spawn(async move {
                for _ in 0..20_000 / tasks {
                    store.manifest_by_tag(&repository, &"latest".parse().expect("valid")).await.expect("read");
                }
            })
        }))
        .await;
        println!("manifest_by_tag, {tasks} tasks: {}/s", per_second(20_000, start));
    }
    println!("{}", peak_memory());
    store.close().await.expect("closed");
}
