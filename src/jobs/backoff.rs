//! How long a job waits after it has failed. The crates for this retry a call in place, which would keep a job "running" through its
//! waits, unseen by its report and deaf to being asked; the doubling itself is one line.

use std::time::Duration;

/// Doubles from `first` up to `longest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row.
    pub(crate) fn after(self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_mins(2), longest: Duration::from_hours(6) };
        let waits = [1, 2, 4, 40, u32::MAX].map(|failures| backoff.after(failures).as_secs());
        assert_eq!(waits, [120, 240, 960, 21_600, 21_600]);
    }
}
