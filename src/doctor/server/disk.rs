//! The disk of the data directory: whether it can be written, bytes against the floor, and inodes.

use rustix::fs::StatVfsMountFlags;

use super::Subject;
use crate::doctor::finding::Finding;

const CHECK: &str = "disk";
/// Each blob and each upload takes a few.
const FEW_INODES: u64 = 10_000;
/// Not even the database's log can be made for long.
const NO_INODES: u64 = 100;

pub(crate) fn check(subject: &Subject) -> Vec<Finding> {
    let path = subject.data.path();
    let status = match rustix::fs::statvfs(path) {
        Ok(status) => status,
        Err(error) => return vec![Finding::unknown(CHECK, format!("{}: {error}", path.display()))],
    };
    if status.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return vec![read_only(&path.display().to_string())];
    }
    let (free, floor) =
        (status.f_bavail.saturating_mul(status.f_frsize), subject.config.storage.min_free_space.bytes());
    let mut findings = if status.f_blocks == 0 {
        vec![no_size(&path.display().to_string(), floor)]
    } else {
        vec![space(&path.display().to_string(), free, floor)]
    };
    // A file system that makes inodes as it needs them tells none.
    if status.f_files > 0 {
        findings.extend(inodes(&path.display().to_string(), status.f_favail));
    }
    findings
}

fn read_only(path: &str) -> Finding {
    Finding::problem(
        CHECK,
        format!("the file system of {path} is mounted read-only"),
        "nothing can be pushed, no user changed, and no certificate renewed",
        format!("see why (dmesg; a failing disk does this), then: mount -o remount,rw \"$(stat -c %m {path})\""),
    )
}

/// Some that are made by programs do not say how large they are.
fn no_size(path: &str, floor: u64) -> Finding {
    let what = format!("the file system of {path} reports no size");
    if floor == 0 {
        return Finding::ok(CHECK, what);
    }
    let why =
        "the floor (storage.min_free_space) cannot be kept there, and a full disk is noticed only when it is full";
    Finding::warning(
        CHECK,
        what,
        why,
        "watch its space by other means, and set storage.min_free_space to 0 to say that you do",
    )
}

fn space(path: &str, free: u64, floor: u64) -> Finding {
    let what = format!("{} free below {path}; the floor (storage.min_free_space) is {}", human(free), human(floor));
    if free < floor {
        let why = "uploads are refused with 507 until there is room";
        return Finding::problem(
            CHECK,
            what,
            why,
            "make room: portcullis repo list, then portcullis repo remove NAME; or take a larger disk",
        );
    }
    if free < floor.saturating_mul(2) {
        let why = "uploads will soon be refused with 507";
        return Finding::warning(
            CHECK,
            what,
            why,
            "make room: portcullis repo list, then portcullis repo remove NAME; or take a larger disk",
        );
    }
    Finding::ok(CHECK, what)
}

fn inodes(path: &str, free: u64) -> Option<Finding> {
    let what = format!("the file system of {path} has {free} inodes left");
    let mend = "see what takes them: df -i, and du --inodes -d2 on that file system";
    if free < NO_INODES {
        let why = "nothing new can be stored, although there may be space";
        return Some(Finding::problem(CHECK, what, why, mend));
    }
    let why = "soon nothing new can be stored, although there may be space";
    (free < FEW_INODES).then(|| Finding::warning(CHECK, what, why, mend))
}

fn human(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(size, _)| bytes >= *size);
    unit.map_or_else(|| format!("{bytes} bytes"), |(size, unit)| format!("{} {unit}", bytes / size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn the_floor_and_twice_the_floor_count() {
        let state = |free| space("/data", free, 1 << 30).state;
        assert_eq!(state((1 << 30) - 1), State::Problem);
        assert_eq!(state(1 << 30), State::Warning);
        assert_eq!(state(1 << 31), State::Ok);
        assert_eq!(read_only("/data").state, State::Problem);
        assert_eq!((no_size("/data", 1).state, no_size("/data", 0).state), (State::Warning, State::Ok));
        let state = |free| inodes("/data", free).map(|finding| finding.state);
        assert_eq!((state(1), state(500), state(1 << 20)), (Some(State::Problem), Some(State::Warning), None));
        assert_eq!((human(1023), human(5 << 30)), ("1023 bytes".to_owned(), "5 GiB".to_owned()));
    }
}
