//! A bound for the log, whatever clients do: no place in the program writes more than so many lines in an interval. What is beyond is
//! counted, and one line tells how much it was.
//!
//! The access log of those who have logged in is left out of this: their number is known, and what they do must be found again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How long is counted before the log tells of it.
const INTERVAL: Duration = Duration::from_secs(10);
/// How many lines one place writes in an interval.
const LINES: u64 = 200;
/// What is written here was limited by who it is about.
const ACCESS_LOG: &str = "portcullis::http::middleware::access_log";

/// The layer that does it.
#[derive(Clone, Default)]
pub(crate) struct LogLimit(Arc<Mutex<Interval>>);

#[derive(Default)]
struct Interval {
    /// Whether a task waits for its end.
    running: bool,
    lines: HashMap<Identifier, Lines>,
}

struct Lines {
    place: &'static Metadata<'static>,
    count: u64,
}

impl<S: Subscriber> Layer<S> for LogLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.may_be_written(event.metadata())
    }
}

impl LogLimit {
    fn may_be_written(&self, place: &'static Metadata<'static>) -> bool {
        if place.target() == ACCESS_LOG && *place.level() != tracing::Level::ERROR {
            return true;
        }
        let mut interval = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = interval.lines.entry(place.callsite()).or_insert(Lines { place, count: 0 });
        lines.count += 1;
        let written = lines.count <= LINES;
        if !interval.running {
            // Outside of the runtime there are no clients; then the first intervals never end, which is a bound as well.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                interval.running = true;
                runtime.spawn(self.clone().sum_up_later());
            }
        }
        written
    }

    async fn sum_up_later(self) {
        tokio::time::sleep(INTERVAL).await;
        // Let go before anything is logged, which comes back here.
        for (place, left_out) in self.sum_up() {
            tracing::warn!(
                left_out,
                level = %place.level(),
                file = place.file(),
                line = place.line(),
                seconds = INTERVAL.as_secs(),
                "more lines of one kind came than are logged: the last ones were left out"
            );
        }
    }

    fn sum_up(&self) -> Vec<(&'static Metadata<'static>, u64)> {
        let over = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let counts = over.lines.into_values().map(|lines| (lines.place, lines.count.saturating_sub(LINES)));
        counts.filter(|(_, left_out)| *left_out > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Count(Arc<AtomicU64>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_place_writes_so_many_lines_and_the_rest_is_counted() {
        let (limit, written) = (LogLimit::default(), Count::default());
        let subscriber = tracing_subscriber::registry().with(written.clone()).with(limit.clone());
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..1000 {
                tracing::info!(number, "a flood");
            }
            tracing::info!("another place");
            for number in 0..300 {
                tracing::info!(target: ACCESS_LOG, number, "answered");
            }
            for number in 0..300 {
                tracing::error!(target: ACCESS_LOG, number, "a request failed");
            }
        });
        assert_eq!(written.0.load(Ordering::Relaxed), LINES + 1 + 300 + LINES);
        let mut left_out: Vec<u64> = limit.sum_up().into_iter().map(|(_, left_out)| left_out).collect();
        left_out.sort_unstable();
        assert_eq!(left_out, [100, 800]);
        assert!(limit.sum_up().is_empty(), "a new interval");
    }
}
