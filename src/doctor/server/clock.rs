//! This machine's clock: whether it contradicts the files of the registry, and whether it is synchronised.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::Subject;
use crate::doctor::finding::Finding;
use crate::domain::build_time::build_time;
use crate::pki::PkiPaths;
use crate::pki::inspect;

const CHECK: &str = "clock";
/// Files of a network file system may be this far ahead.
const TOLERANCE_SECONDS: i64 = 300;
/// Exists while systemd-timesyncd runs; the file `synchronized` in it exists once it has set the clock.
const TIMESYNC: &str = "/run/systemd/timesync";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let now = subject.clock.now();
    let fix = "timedatectl set-ntp true";
    let why = "certificates seem not yet valid, and tokens seem expired";
    if let Some(reason) = implausible(subject, now) {
        return vec![Finding::problem(CHECK, format!("the clock says {now:.0}, but {reason}"), why, fix)];
    }
    if Path::new(TIMESYNC).exists() && !Path::new(TIMESYNC).join("synchronized").exists() {
        let what = format!("the clock says {now:.0}; systemd-timesyncd runs but has not synchronised it yet");
        return vec![Finding::warning(CHECK, what, why, fix)];
    }
    vec![Finding::ok(CHECK, format!("the clock says {now:.0}, which is plausible"))]
}

/// What contradicts the clock.
fn implausible(subject: &Subject, now: Timestamp) -> Option<String> {
    if now < build_time() {
        return Some(format!("this program was built on {:.0}", build_time()));
    }
    let paths = PkiPaths::new(&subject.data.path);
    let (leaf, issuing) = (paths.leaf_chain(), paths.issuing_certificate());
    for path in [&subject.data.database, &subject.data.lock_file, &leaf, &issuing] {
        let modified = fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let modified = modified.and_then(|time| Timestamp::try_from(time).ok());
        if let Some(modified) = modified.filter(|time| time.as_second() > now.as_second() + TOLERANCE_SECONDS) {
            return Some(format!("{} was written on {modified:.0}", path.display()));
        }
    }
    let root = inspect(&paths.root_certificate()).ok()?;
    let begin = root.first()?.summary.not_before;
    (begin > now).then(|| format!("the CA was created on {begin}"))
}
