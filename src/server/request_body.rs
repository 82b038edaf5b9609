//! The body of a request, of which is known in the end whether it was read: an HTTP/1.1 connection can serve another request only after
//! that, and a client must be told where it cannot (RFC 9112, section 9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::response_body::Exchange;

/// What is left of a small body is read, so that the connection can be kept.
const SMALL: usize = 64 * 1024;
/// It has most likely arrived together with the head; the answer does not wait for a client that is slow.
const SOON: Duration = Duration::from_millis(200);

/// On HTTP/2, for a client to take the answer and stop sending by itself: some (curl 7.88) lose an answer whose stream is reset while
/// they send.
const GRACE: Duration = Duration::from_secs(1);

/// A body on its way to a handler.
pub(super) struct RequestBody {
    incoming: Option<Incoming>,
    asked: bool,
    ended: bool,
    outcome: Arc<Mutex<State>>,
    exchange: Arc<Exchange>,
}

/// What became of a body.
#[derive(Clone)]
pub(super) struct Remainder(Arc<Mutex<State>>);

enum State {
    /// A handler still has it.
    InUse,
    /// It was read to its end.
    Read,
    /// It was given up.
    Abandoned { body: Incoming, asked: bool },
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, exchange: Arc<Exchange>) -> (Self, Remainder) {
        let outcome = Arc::new(Mutex::new(State::InUse));
        let body =
            Self { incoming: Some(incoming), asked: false, ended: false, outcome: Arc::clone(&outcome), exchange };
        (body, Remainder(outcome))
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.asked = true;
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(incoming).poll_frame(context));
        self.ended |= frame.is_none();
        self.exchange.touch();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(body) = self.incoming.take() else { return };
        let state =
            if self.ended || body.is_end_stream() { State::Read } else { State::Abandoned { body, asked: self.asked } };
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Remainder {
    /// Leaves the stream of HTTP/2 open for a moment, unless all was read.
    pub(super) fn linger(self) {
        if let State::Abandoned { mut body, .. } = self.take() {
            tokio::spawn(tokio::time::timeout(GRACE, async move {
                if !read(&mut body).await {
                    std::future::pending::<()>().await;
                }
            }));
        }
    }

    fn take(&self) -> State {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), State::InUse)
    }

    /// Reads what is left, where that is little and there already. Whether nothing is left then, so that the connection can be kept.
    ///
    /// `waits`: the client sends its body only when it is asked to (`Expect: 100-continue`).
    pub(super) async fn read(self, waits: bool) -> bool {
        match self.take() {
            State::Read => true,
            State::InUse => false,
            State::Abandoned { asked, .. } if waits && !asked => false,
            State::Abandoned { body, .. } if body.size_hint().lower() > SMALL as u64 => false,
            State::Abandoned { mut body, .. } => tokio::time::timeout(SOON, read(&mut body)).await.unwrap_or(false),
        }
    }
}

async fn read(body: &mut Incoming) -> bool {
    let mut left = SMALL;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let length = frame.data_ref().map_or(1, Bytes::len).max(1);
        if length > left {
            return false;
        }
        left -= length;
    }
    true
}
