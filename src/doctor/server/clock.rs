//! This machine's clock, against what cannot be later than now, and whether something keeps it right.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::Subject;
use crate::doctor::finding::Finding;
use crate::domain::build_time::build_time;
use crate::pki::{TlsPaths, inspect};

const CHECK: &str = "clock";
/// Files of a network file system may be ahead by as much.
const TOLERANCE_SECONDS: i64 = 300;
/// systemd-timesyncd's sign that it runs, and that it has set the clock.
const TIMESYNC: &str = "/run/systemd/timesync";

pub(crate) fn check(subject: &Subject) -> Vec<Finding> {
    let now = Timestamp::now();
    let mend = "timedatectl set-ntp true";
    let why = "certificates are refused before they begin, and tokens seem to have expired";
    if let Some(reason) = implausible(subject, now) {
        return vec![Finding::problem(CHECK, format!("the clock says {now:.0}, but {reason}"), why, mend)];
    }
    if Path::new(TIMESYNC).exists() && !Path::new(TIMESYNC).join("synchronized").exists() {
        let what = format!("the clock says {now:.0}; systemd-timesyncd runs, but has not set it yet");
        return vec![Finding::warning(CHECK, what, why, mend)];
    }
    vec![Finding::ok(CHECK, format!("it is {now:.0}, which is plausible"))]
}

/// What cannot be, if the clock were right.
fn implausible(subject: &Subject, now: Timestamp) -> Option<String> {
    if now < build_time() {
        return Some(format!("this program was built on {:.0}", build_time()));
    }
    let paths = TlsPaths::new(subject.data.path());
    for path in [subject.data.database(), subject.data.lock_file(), paths.leaf_chain(), paths.issuing_certificate()] {
        let modified = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        let modified = modified.and_then(|time| Timestamp::try_from(time).ok());
        if let Some(modified) = modified.filter(|time| time.as_second() > now.as_second() + TOLERANCE_SECONDS) {
            return Some(format!("{} was written on {modified:.0}", path.display()));
        }
    }
    let root = inspect(&paths.root_certificate()).ok()?;
    let begin = root.first()?.summary.not_before;
    (begin > now).then(|| format!("the CA was made on {begin}"))
}
