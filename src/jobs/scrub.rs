//! Reads back what is stored, a little at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::domain::Clock;
use crate::registry::{CheckMode, CheckReport, Registry, ScrubPace};

/// How long after it has read all that was due the job looks for more: that takes a walk over what is not due yet.
const PAUSE: Duration = Duration::from_hours(1);

pub(super) struct Scrub {
    registry: Arc<Registry>,
    clock: Clock,
    next: Option<Instant>,
}

impl Scrub {
    pub(super) fn new(registry: Arc<Registry>, clock: Clock) -> Self {
        Self { registry, clock, next: None }
    }
}

#[async_trait]
impl Work for Scrub {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        let (settings, mut report) = (self.registry.settings().scrub.clone(), CheckReport::default());
        self.registry.scrub_suspected(&mut report).await?;
        let throttle = self.registry.throttle(settings.rate.bytes());
        if throttle.is_some() && self.next.is_none_or(|next| next <= self.clock.instant()) {
            let mode = CheckMode { repair: true, owns_contents: true };
            let (unread_for, pushed_ago) = (settings.every, settings.every);
            let pace = ScrubPace { unread_for, pushed_ago, throttle, report: &|_| () };
            self.registry.scrub(&pace, mode, &mut report).await?;
            self.next = Some(self.clock.instant() + PAUSE);
        }
        if report.read > 0 {
            tracing::info!(
                contents = report.read,
                bytes = report.read_bytes,
                damaged = report.total(),
                "read back stored content"
            );
        }
        Ok(())
    }
}
