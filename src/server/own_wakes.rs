//! Wake-ups that a connection of HTTP/2 gives itself. A stream that is answered by the connection's own task wakes it to send the
//! answer, though it is at work already. The runtime would put it at the end of a queue then, and wake a thread that takes it from there: a
//! task that wakes itself is polled again at once instead.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How often in a row; then others come first.
const AT_ONCE: usize = 2;

const RESTS: u8 = 0;
const IS_POLLED: u8 = 1;
const WOKE_ITSELF: u8 = 2;

/// What keeps the own wake-ups of one future with it; or does nothing, for one that has none.
pub(super) struct OwnWakes(Option<Kept>);

struct Kept {
    state: Arc<State>,
    waker: Waker,
}

#[derive(Default)]
struct State {
    now: AtomicU8,
    task: AtomicWaker,
}

impl OwnWakes {
    /// `has_some`: whether the future wakes itself.
    pub(super) fn new(has_some: bool) -> Self {
        Self(has_some.then(|| {
            let state = Arc::<State>::default();
            Kept { waker: Waker::from(Arc::clone(&state)), state }
        }))
    }

    /// The future, always the same one, with its own wake-ups kept.
    pub(super) async fn keep<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        poll_fn(|context| match &self.0 {
            Some(kept) => kept.poll(context, |context| future.as_mut().poll(context)),
            None => future.as_mut().poll(context),
        })
        .await
    }
}

impl Kept {
    fn poll<T>(&self, context: &mut Context<'_>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.state.task.register(context.waker());
        for _ in 0..AT_ONCE {
            self.state.now.store(IS_POLLED, Ordering::SeqCst);
            let outcome = poll(&mut Context::from_waker(&self.waker));
            if self.state.now.swap(RESTS, Ordering::SeqCst) == IS_POLLED || outcome.is_ready() {
                return outcome;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wake for State {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let change = self.now.compare_exchange(IS_POLLED, WOKE_ITSELF, Ordering::SeqCst, Ordering::SeqCst);
        if change == Err(RESTS) {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls a future that wakes itself so many times: how often it was polled, and its task was woken.
    fn poll(own: usize) -> (usize, usize) {
        let (polls, counter) = (Cell::new(0), Arc::<Counter>::default());
        let waker = Waker::from(Arc::clone(&counter));
        let future = poll_fn(|context| {
            polls.update(|polls| polls + 1);
            if polls.get() <= own {
                context.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        let (own_wakes, mut future) = (OwnWakes::new(true), std::pin::pin!(future));
        let kept = std::pin::pin!(own_wakes.keep(future.as_mut()));
        assert!(kept.poll(&mut Context::from_waker(&waker)).is_pending());
        (polls.get(), counter.0.load(Ordering::SeqCst))
    }

    #[test]
    fn who_wakes_itself_is_polled_again_and_soon_lets_others_go_first() {
        assert_eq!(poll(0), (1, 0));
        assert_eq!(poll(1), (2, 0));
        assert_eq!(poll(usize::MAX), (AT_ONCE, 1), "no wake-up is lost");
    }

    #[test]
    fn others_wake_its_task() {
        let (counter, mut waker_of_future) = (Arc::<Counter>::default(), None);
        let waker = Waker::from(Arc::clone(&counter));
        let future = poll_fn(|context| {
            waker_of_future = Some(context.waker().clone());
            Poll::<()>::Pending
        });
        let (own_wakes, mut future) = (OwnWakes::new(true), Box::pin(future));
        assert!(std::pin::pin!(own_wakes.keep(future.as_mut())).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(future);
        waker_of_future.expect("polled").wake();
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    }
}
