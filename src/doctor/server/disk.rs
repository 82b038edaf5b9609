//! The file system of the data directory: whether it is writable, its free space, and its inodes.

use rustix::fs::StatVfsMountFlags;

use super::Subject;
use crate::doctor::finding::Finding;
use crate::domain::Amount;

const CHECK: &str = "disk";
/// Each blob and each upload takes a few.
const FEW_INODES: u64 = 10_000;
/// Soon not even the database's log can be created.
const NO_INODES: u64 = 100;

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let path = &subject.data.path;
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
    // A file system that creates inodes as needed reports none.
    if status.f_files > 0 {
        findings.extend(inodes(&path.display().to_string(), status.f_favail));
    }
    findings
}

fn read_only(path: &str) -> Finding {
    Finding::problem(
        CHECK,
        format!("the file system of {path} is mounted read-only"),
        "pushes, changes to users and certificate renewals fail",
        format!("find the cause (dmesg; a failing disk does this), then: mount -o remount,rw \"$(stat -c %m {path})\""),
    )
}

/// Some file systems that programs provide do not report a size.
fn no_size(path: &str, floor: u64) -> Finding {
    let what = format!("the file system of {path} reports no size");
    if floor == 0 {
        return Finding::ok(CHECK, what);
    }
    let why = "storage.min_free_space cannot be enforced there, and a full disk is noticed only when it is full";
    Finding::warning(
        CHECK,
        what,
        why,
        "monitor its free space by other means, and set storage.min_free_space to 0 to confirm that",
    )
}

fn space(path: &str, free: u64, floor: u64) -> Finding {
    let what = format!("{} free in {path}; storage.min_free_space is {}", Amount(free), Amount(floor));
    if free < floor {
        let why = "uploads are rejected with 507 until space is freed";
        return Finding::problem(
            CHECK,
            what,
            why,
            "free up space (portcullis repo list, then portcullis repo remove NAME), or use a larger disk",
        );
    }
    if free < floor.saturating_mul(2) {
        let why = "uploads will soon be rejected with 507";
        return Finding::warning(
            CHECK,
            what,
            why,
            "free up space (portcullis repo list, then portcullis repo remove NAME), or use a larger disk",
        );
    }
    Finding::ok(CHECK, what)
}

fn inodes(path: &str, free: u64) -> Option<Finding> {
    let what = format!("the file system of {path} has {free} inodes left");
    let fix = "find what uses them: df -i, and du --inodes -d2 on that file system";
    if free < NO_INODES {
        let why = "nothing new can be stored, even if there is free space";
        return Some(Finding::problem(CHECK, what, why, fix));
    }
    let why = "soon nothing new can be stored, even if there is free space";
    (free < FEW_INODES).then(|| Finding::warning(CHECK, what, why, fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn free_space_below_the_minimum_is_a_problem_and_below_twice_that_a_warning() {
        let state = |free| space("/data", free, 1 << 30).state;
        assert_eq!(state((1 << 30) - 1), State::Problem);
        assert_eq!(state(1 << 30), State::Warning);
        assert_eq!(state(1 << 31), State::Ok);
        assert_eq!(read_only("/data").state, State::Problem);
        assert_eq!((no_size("/data", 1).state, no_size("/data", 0).state), (State::Warning, State::Ok));
        let state = |free| inodes("/data", free).map(|finding| finding.state);
        assert_eq!((state(1), state(500), state(1 << 20)), (Some(State::Problem), Some(State::Warning), None));
    }
}
