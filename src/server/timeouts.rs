//! When a connection has been idle, slow or stalled for too long. The timer is set lazily: a request that comes and goes within
//! the limits sets none.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::activity::{Activity, Limits, Overdue};

/// What the clock of [`Activity`] cannot tell apart.
const TICK: Duration = Duration::from_millis(2);

/// Ends when one of the limits is over. To be polled after the connection and in the same task, so that it sees what the connection has
/// just read or answered.
pub(super) struct Timeouts {
    activity: Arc<Activity>,
    limits: Limits,
    timer: Pin<Box<Sleep>>,
}

impl Timeouts {
    pub(super) fn new(activity: Arc<Activity>, limits: Limits) -> Self {
        let timer = Box::pin(tokio::time::sleep(limits.header));
        Self { activity, limits, timer }
    }
}

impl Future for Timeouts {
    type Output = Overdue;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Overdue> {
        loop {
            // While a request is under way, a limit may begin without a poll of this task: hence a look now and then.
            let due = self.activity.due(&self.limits);
            let left = due.map_or(self.limits.idle.min(self.limits.stall), |due| due.left());
            if let Some(due) = due.filter(|_| left.is_zero()) {
                return Poll::Ready(due.what);
            }
            let at = Instant::now() + left + TICK;
            if at + TICK < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(at);
            }
            ready!(self.timer.as_mut().poll(context));
        }
    }
}
