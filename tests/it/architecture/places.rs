//! Things that have one place: time, what repeats, the database's driver, the makers of stores and of permits.

use std::collections::BTreeSet;

use super::house::{File, House};
use super::to_go;

/// Something that only these files (or folders, with a `/` at the end) may name.
struct Place {
    what: &'static str,
    /// The ends of the paths that are meant: `Instant::now`.
    paths: &'static [&'static str],
    /// Or their beginnings: `sqlx::`.
    crates: &'static [&'static str],
    at: &'static [&'static str],
    /// Where else it still is. This list may only shrink.
    to_go: &'static [&'static str],
}

const PLACES: &[Place] = &[
    Place {
        what: "the time of day (a `Clock` is passed in)",
        paths: &["Timestamp::now", "SystemTime::now", "Zoned::now", "OffsetDateTime::now_utc"],
        crates: &[],
        at: &["src/domain/clock.rs"],
        to_go: to_go::TIME_OF_DAY,
    },
    Place {
        what: "time that only goes forward (a `Clock` is passed in), but for the timers of connections",
        paths: &["Instant::now"],
        crates: &[],
        at: &[
            "src/client/",
            "src/domain/clock.rs",
            "src/http/body/",
            "src/http/middleware/access_log.rs",
            "src/jobs/",
            "src/server/",
            "src/trust/exclusive_lock.rs",
        ],
        to_go: to_go::MONOTONIC_TIME,
    },
    Place {
        what: "what repeats (a job)",
        paths: &["time::interval", "time::interval_at"],
        crates: &[],
        at: &["src/jobs/"],
        to_go: &[],
    },
    Place {
        what: "waiting, but for jobs, the timers of connections, sums in the log, and what another process does",
        paths: &["time::sleep", "time::sleep_until", "thread::sleep"],
        crates: &[],
        at: &[
            "src/doctor/host/program.rs",
            "src/http/body/",
            "src/http/middleware/denied_log.rs",
            "src/jobs/",
            "src/node/ending.rs",
            "src/pki/acme/validation.rs",
            "src/node/backup/mod.rs",
            "src/node/check.rs",
            "src/node/collecting.rs",
            "src/registry/collect.rs",
            "src/registry/scrub.rs",
            "src/registry/upload_turn.rs",
            "src/server/",
            "src/storage/blobs/disk/open_files.rs",
            "src/storage/blobs/disk/staging.rs",
            "src/storage/blobs/s3/read.rs",
            "src/storage/coordination/versions.rs",
            "src/storage/metadata/postgres/",
            "src/storage/metadata/sqlite/open.rs",
            "src/telemetry/log_limit.rs",
            "src/trust/exclusive_lock.rs",
        ],
        to_go: &[],
    },
    Place { what: "the database's driver", paths: &[], crates: &["sqlx"], at: &["src/storage/metadata/"], to_go: &[] },
    Place {
        what: "the making of stores (others take `Arc<dyn Metadata>`, `Arc<dyn BlobStore>`)",
        paths: &["sqlite::open", "disk::open", "SqliteMetadata", "DiskBlobStore"],
        crates: &[],
        at: &["src/node/", "src/storage/"],
        to_go: &[],
    },
    Place {
        what: "the making of permits",
        paths: &["Authorized::new"],
        crates: &[],
        at: &["src/auth/access/"],
        to_go: &[],
    },
    Place {
        what: "the terminal and the exit of the process",
        paths: &["process::exit"],
        crates: &["rpassword", "clap"],
        at: &["src/cli/", "src/main.rs", "src/node/run.rs"],
        to_go: &[],
    },
];

/// What values may not do: wait, read files, ask the network or the clock.
const NOT_IN_DOMAIN: &[&str] =
    &["tokio", "std::fs", "std::net::TcpStream", "std::process", "std::env", "std::thread", "sqlx", "axum", "rustls"];

/// Whether this file is meant by the name of a file, or of a folder.
fn is_at(file: &str, place: &str) -> bool {
    file == place || (place.ends_with('/') && file.starts_with(place))
}

/// Where a place's thing is named outside of it.
fn elsewhere(place: &Place, files: &[File]) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for file in files {
        if place.at.iter().any(|at| is_at(&file.name, at)) || file.in_tests {
            continue;
        }
        for mention in file.mentions.iter().filter(|mention| !mention.in_tests) {
            let path = mention.segments.join("::");
            let named = place.paths.iter().any(|end| {
                path == *end || path.ends_with(&format!("::{end}")) || path.starts_with(&format!("{end}::"))
            }) || place.crates.contains(&mention.segments[0].as_str());
            if named {
                found.insert((file.name.clone(), format!("{}:{}: {path}", file.name, mention.line)));
            }
        }
    }
    found
}

fn wrong(place: &Place, files: &[File]) -> Vec<String> {
    let found = elsewhere(place, files);
    let new = found.iter().filter(|(file, _)| !place.to_go.iter().any(|known| is_at(file, known)));
    new.map(|(_, at)| format!("{at}: the place of {} is {:?}", place.what, place.at)).collect()
}

/// Exceptions of which nothing is left.
fn gone(place: &Place, files: &[File]) -> Vec<String> {
    let still: BTreeSet<String> = elsewhere(place, files).into_iter().map(|(file, _)| file).collect();
    let gone = place.to_go.iter().filter(|known| !still.iter().any(|file| is_at(file, known)));
    gone.map(|file| format!("{file} no longer names {}: remove it from to_go.rs", place.what)).collect()
}

#[test]
fn what_has_one_place_is_nowhere_else() {
    let house = House::of_the_project();
    let wrong: Vec<String> = PLACES.iter().flat_map(|place| wrong(place, &house.files)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_place_exists() {
    for at in PLACES.iter().flat_map(|place| place.at) {
        assert!(super::layout::root().join(at).exists(), "{at}");
    }
}

#[test]
fn no_exception_about_places_is_left_over() {
    let house = House::of_the_project();
    let gone: Vec<String> = PLACES.iter().flat_map(|place| gone(place, &house.files)).collect();
    assert!(gone.is_empty(), "{}", gone.join("\n"));
}

#[test]
fn values_do_nothing() {
    let house = House::of_the_project();
    let mut wrong = Vec::new();
    for file in house.files.iter().filter(|file| file.name.starts_with("src/domain/")) {
        for mention in &file.mentions {
            let path = mention.segments.join("::");
            if NOT_IN_DOMAIN.iter().any(|refused| path == *refused || path.starts_with(&format!("{refused}::"))) {
                wrong.push(format!("{}:{}: {path}", file.name, mention.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn another_place_is_found_and_tests_are_left_alone() {
    let text = "fn f() { Instant::now(); }\n#[cfg(test)]\nmod tests { fn g() { std::time::Instant::now(); } }";
    let files =
        [("src/a/mod.rs", text), ("src/domain/clock.rs", text), ("src/b.rs", "use std::time::Instant::now as time;")];
    let house = House::of(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect());
    let time = &PLACES[1];
    let found: Vec<String> = elsewhere(time, &house.files).into_iter().map(|(_, at)| at).collect();
    assert_eq!(found, ["src/a/mod.rs:1: Instant::now", "src/b.rs:1: std::time::Instant::now"]);
    let place = Place { to_go: &["src/a/mod.rs", "src/c.rs"], ..*time };
    assert_eq!(wrong(&place, &house.files).len(), 1);
    assert_eq!(gone(&place, &house.files).len(), 1);
}
