//! Streams of HTTP/2. One that can be answered at once is, by the task of its connection; any other becomes a task of its own. hyper waits for a peer's window without a limit; here a stream ends once the peer has taken
//! nothing of what it asked for in all that time, and the rest of the connection continues.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Instant, Sleep};

use super::activity::Activity;
use super::unsent_parts::UnsentParts;

tokio::task_local! {
    /// The unsent parts of the stream whose task this is.
    static STREAM: Arc<UnsentParts>;
}

/// The unsent parts of the stream that is being polled; `None` on HTTP/1.
pub(super) fn current() -> Option<Arc<UnsentParts>> {
    STREAM.try_with(Arc::clone).ok()
}

/// Runs the streams of one connection.
#[derive(Clone)]
pub(super) struct Http2Streams {
    activity: Arc<Activity>,
    limit: Duration,
}

impl Http2Streams {
    pub(super) fn new(activity: Arc<Activity>, limit: Duration) -> Self {
        Self { activity, limit }
    }
}

impl<F> Executor<F> for Http2Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let unsent = Arc::<UnsentParts>::default();
        let limited = TimedStream {
            stream: Box::pin(stream),
            unsent: Arc::clone(&unsent),
            activity: Arc::clone(&self.activity),
            limit: self.limit,
            timer: None,
        };
        let mut stream = Box::pin(STREAM.scope(unsent, limited));
        // Answers from memory wait for nothing, and a task, perhaps on another thread, would cost as much as the rest of such a request. No
        // one has to be woken: what waits is polled again by its task.
        if stream.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(stream);
        }
    }
}

/// A stream that ends where it stalls: dropping it resets it.
struct TimedStream<F> {
    stream: Pin<Box<F>>,
    unsent: Arc<UnsentParts>,
    activity: Arc<Activity>,
    limit: Duration,
    /// Set once something is unsent.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for TimedStream<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.stream.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let left = match self.activity.stalled_at(&self.unsent, self.limit) {
                Some(due) if due.left().is_zero() => {
                    tracing::debug!("a stream was reset: the peer does not take its answer");
                    return Poll::Ready(());
                }
                Some(due) => due.left(),
                None if self.timer.is_none() => return Poll::Pending,
                None => self.limit,
            };
            let limit = self.limit;
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            if timer.is_elapsed() {
                timer.as_mut().reset(Instant::now() + left.max(Duration::from_millis(1)));
            }
            ready!(timer.as_mut().poll(context));
        }
    }
}
