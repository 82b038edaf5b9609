//! How many denied requests of unauthenticated clients are logged: a few lines per interval, in all and per address, and then one line
//! that counts the rest, so that a flood does not fill the log; and how long a client's text may be in a line.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;

use crate::domain::Network;

/// How long is counted before the log tells of it.
const INTERVAL: Duration = Duration::from_secs(10);
/// How many denied requests are logged one by one in an interval.
const TOLD: usize = 100;
/// The same for one address.
const TOLD_OF_ONE: usize = 20;
/// The longest text of a client's in the log, in bytes.
const LONGEST: usize = 256;

/// Denied requests without a valid credential.
#[derive(Default)]
pub(in crate::http) struct DeniedLog(Mutex<Interval>);

#[derive(Default)]
struct Interval {
    /// Whether a task waits for its end.
    running: bool,
    told: usize,
    /// At most [`TOLD`] addresses: those that were told of.
    by_network: HashMap<Option<Network>, usize>,
    untold: BTreeMap<u16, u64>,
}

impl DeniedLog {
    /// Whether this one gets a line of its own. If not, it is counted, and one line tells of all at the end of the interval.
    pub(in crate::http) fn may_be_told(self: &Arc<Self>, from: Option<IpAddr>, status: StatusCode) -> bool {
        let mut interval = self.interval();
        if !interval.running {
            interval.running = true;
            tokio::spawn(Arc::clone(self).sum_up_later());
        }
        let from = from.map(Network::of);
        let of_one = interval.by_network.get(&from).copied().unwrap_or_default();
        let told = interval.told < TOLD && of_one < TOLD_OF_ONE;
        if told {
            interval.told += 1;
            interval.by_network.insert(from, of_one + 1);
        } else {
            *interval.untold.entry(status.as_u16()).or_default() += 1;
        }
        told
    }

    async fn sum_up_later(self: Arc<Self>) {
        tokio::time::sleep(INTERVAL).await;
        self.sum_up();
    }

    fn sum_up(&self) {
        let over = std::mem::take(&mut *self.interval());
        let untold: u64 = over.untold.values().sum();
        if untold > 0 {
            let by_status: Vec<String> =
                over.untold.iter().map(|(status, count)| format!("{status}: {count}")).collect();
            // No warning: docker and BuildKit are refused once for each blob before they send the password.
            tracing::info!(
                refused = untold,
                by_status = by_status.join(", "),
                seconds = INTERVAL.as_secs(),
                "more requests without a valid credential were refused than are logged one by one"
            );
        }
    }

    /// Every change is complete in itself, so a panic elsewhere leaves the counts sound.
    fn interval(&self) -> MutexGuard<'_, Interval> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's text for the log: cut where it is long, with its whole length told.
pub(in crate::http) fn excerpt(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    Cow::Owned(format!("{}... ({} bytes)", &text[..end], text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_few_are_told_of_each_address_and_the_rest_is_counted() {
        let denied_log = Arc::new(DeniedLog::default());
        let ask = |last: u8| denied_log.may_be_told(Some([192, 0, 2, last].into()), StatusCode::UNAUTHORIZED);
        assert_eq!((0..1000).filter(|_| ask(1)).count(), TOLD_OF_ONE);
        assert!(ask(2), "another address is not hidden by the flood");
        assert_eq!((0..250).filter(|last| ask(*last)).count(), TOLD - TOLD_OF_ONE - 1);
        assert_eq!(denied_log.interval().untold.values().sum::<u64>(), 1000 - 20 + 250 - 79);
        denied_log.sum_up();
        assert!(ask(1), "a new interval");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(excerpt("/v2/"), "/v2/");
        assert_eq!(excerpt(&"a".repeat(9000)), format!("{}... (9000 bytes)", "a".repeat(256)));
        assert_eq!(excerpt(&"\u{20ac}".repeat(100)), format!("{}... (300 bytes)", "\u{20ac}".repeat(85)));
    }
}
