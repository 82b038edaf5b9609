//! Receiving a request body: streamed to storage, or read into memory up to a limit and within a budget. A body that arrives too slowly
//! is rejected.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http_body::Body as _;
use tokio::time::Sleep;

use super::minimum_rate::{MinimumRate, RateMeter, Waited};
use super::upload_limits::{UploadPermit, WritePermit};
use crate::http::error::{Code, OciError};
use crate::registry::{BodyError, BodyStream, Reserved};

/// The body as a stream for storage. It holds its write permit only while it has bytes to write. An empty chunk says that nothing came
/// for a while; a body that is too slow ends with an error.
pub(in crate::http) fn stream(body: Body, minimum_rate: MinimumRate, permit: UploadPermit) -> BodyStream {
    Box::pin(Upload { received: Received::new(body, minimum_rate), permit, next: None, over: false })
}

/// Whether the request has a body at all.
pub(in crate::http) fn is_empty(body: &Body) -> bool {
    body.is_end_stream()
}

/// The Content-Length.
pub(in crate::http) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    crate::http::request::headers::text(headers, header::CONTENT_LENGTH)?.parse().ok()
}

/// A body in memory, counted until this is dropped.
pub(in crate::http) struct BodyInMemory {
    pub(in crate::http) bytes: Bytes,
    reserved: Reserved,
}

impl BodyInMemory {
    /// The bytes, and what counts them: to be kept for as long as the bytes are.
    pub(in crate::http) fn into_parts(self) -> (Bytes, Reserved) {
        (self.bytes, self.reserved)
    }
}

/// The whole body; `None` where it has more than `limit` bytes. No memory is set aside for a Content-Length alone. `code` is for
/// truncated bodies.
pub(in crate::http) async fn gather(
    body: Body,
    limit: u64,
    minimum_rate: MinimumRate,
    mut reserved: Reserved,
    code: Code,
) -> Result<Option<BodyInMemory>, OciError> {
    let mut received = Received::new(body, minimum_rate);
    let mut whole = BytesMut::new();
    while let Some(chunk) = received.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(BodyError::TooSlow(_)) => return Err(too_slow(code, &chunk)),
            Err(error) => return Err(OciError::new(code, error.to_string())),
        };
        if (whole.len() + chunk.len()) as u64 > limit {
            return Ok(None);
        }
        make_room(&mut whole, chunk.len(), limit, &mut reserved)?;
        whole.extend_from_slice(&chunk);
    }
    Ok(Some(BodyInMemory { bytes: whole.freeze(), reserved }))
}

fn too_slow(code: Code, error: &Result<Bytes, BodyError>) -> OciError {
    let message = error.as_ref().err().map(ToString::to_string).unwrap_or_default();
    OciError::new(code, message).with_status(StatusCode::REQUEST_TIMEOUT)
}

/// Grows the buffer as a vector does, but no further than it may get, and counts what it takes up.
fn make_room(whole: &mut BytesMut, more: usize, limit: u64, reserved: &mut Reserved) -> Result<(), OciError> {
    let (needed, capacity) = (whole.len() + more, whole.capacity());
    if needed > capacity {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let wanted = capacity.saturating_mul(2).min(limit).max(needed);
        reserved.grow(wanted - capacity)?;
        let mut grown = BytesMut::with_capacity(wanted);
        grown.extend_from_slice(whole);
        *whole = grown;
    }
    Ok(())
}

/// The bytes as they come, or why they no longer do. An empty chunk reports a pause.
struct Received {
    body: BodyDataStream,
    meter: RateMeter,
    over: bool,
}

impl Received {
    fn new(body: Body, minimum_rate: MinimumRate) -> Self {
        Self { body: body.into_data_stream(), meter: RateMeter::new(minimum_rate), over: false }
    }
}

impl Stream for Received {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        loop {
            match this.body.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(chunk))) if chunk.is_empty() => {}
                Poll::Ready(Some(Ok(chunk))) => {
                    this.meter.received(chunk.len());
                    return Poll::Ready(Some(Ok(chunk)));
                }
                Poll::Ready(Some(Err(error))) => {
                    this.over = true;
                    return Poll::Ready(Some(Err(BodyError::Incomplete(error.to_string()))));
                }
                Poll::Ready(None) => {
                    this.over = true;
                    return Poll::Ready(None);
                }
                Poll::Pending => break,
            }
        }
        Poll::Ready(Some(match ready!(this.meter.poll_wait(context)) {
            Waited::Quiet => Ok(Bytes::new()),
            Waited::TooLong(why) => {
                this.over = true;
                Err(BodyError::TooSlow(why))
            }
        }))
    }
}

/// A chunk that waits for its turn to be written.
struct Next {
    chunk: Bytes,
    turn: Pin<Box<dyn Future<Output = Option<WritePermit>> + Send>>,
    until: Pin<Box<Sleep>>,
}

struct Upload {
    received: Received,
    permit: UploadPermit,
    next: Option<Next>,
    over: bool,
}

impl Upload {
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        if let Poll::Ready(turn) = next.turn.as_mut().poll(context) {
            self.permit.enter(turn);
            return Poll::Ready(self.next.take().map(|next| Ok(next.chunk)));
        }
        ready!(next.until.as_mut().poll(context));
        self.over = true;
        self.next = None;
        let why = "other uploads have been writing all the time (limits.concurrent_uploads)";
        Poll::Ready(Some(Err(BodyError::Busy(why.to_owned()))))
    }
}

impl Stream for Upload {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        if this.next.is_none() {
            match this.received.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(chunk))) if !this.permit.try_enter() => {
                    let until = Box::pin(tokio::time::sleep(this.received.meter.idle()));
                    this.next = Some(Next { chunk, turn: Box::pin(this.permit.turn()), until });
                }
                Poll::Ready(ready) => return Poll::Ready(ready),
                Poll::Pending => {
                    this.permit.leave();
                    return Poll::Pending;
                }
            }
        }
        this.poll_turn(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::body::upload_limits::UploadLimits;
    use crate::registry::{MemoryBudget, Owner};

    const LIMITS: MinimumRate = MinimumRate { idle: Duration::from_mins(1), rate: 1024 };
    const SHORT: MinimumRate = MinimumRate { idle: Duration::from_millis(50), rate: 1024 };

    fn user(name: &str) -> Owner {
        Owner::Account(name.parse().expect("a name"))
    }

    /// A byte, and then nothing more.
    fn stalled() -> Body {
        let chunks = futures_util::stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"x")) });
        Body::from_stream(chunks.chain(futures_util::stream::pending()))
    }

    #[tokio::test]
    async fn a_stalled_body_gives_up_its_place_at_once() {
        let uploads = UploadLimits::new(1);
        let mut slow = stream(stalled(), LIMITS, uploads.open(user("alice")).expect("a place"));
        assert_eq!(slow.next().await.expect("a chunk").expect("bytes"), "x");
        assert!(futures_util::poll!(slow.next()).is_pending());
        let mut quick = stream(Body::from("y"), LIMITS, uploads.open(user("bob")).expect("a place"));
        assert!(futures_util::poll!(quick.next()).is_ready(), "the place is free");
    }

    #[tokio::test]
    async fn a_chunk_waits_for_its_turn_and_not_without_end() {
        let uploads = UploadLimits::new(1);
        let mut first = uploads.open(user("alice")).expect("a place");
        assert!(first.try_enter());
        let mut waiting = stream(Body::from("y"), LIMITS, uploads.open(user("bob")).expect("a place"));
        assert!(futures_util::poll!(waiting.next()).is_pending());
        first.leave();
        assert_eq!(waiting.next().await.expect("a chunk").expect("its turn"), "y");
        drop(waiting);
        assert!(first.try_enter());
        let mut waiting = stream(Body::from("z"), SHORT, uploads.open(user("bob")).expect("a place"));
        assert!(matches!(waiting.next().await, Some(Err(BodyError::Busy(_)))));
        assert!(waiting.next().await.is_none());
    }

    /// 700 bytes.
    const LONG: &str = match std::str::from_utf8(&[b'x'; 700]) {
        Ok(text) => text,
        Err(_) => "",
    };

    #[tokio::test]
    async fn gathered_bodies_count_as_they_come_and_until_they_are_dropped() {
        let budget = MemoryBudget::new(4000, 1000);
        let gather = async |body: &'static str, owner| {
            gather(Body::from(body), 2000, LIMITS, budget.open(user(owner)), Code::ManifestInvalid).await
        };
        let first = gather(LONG, "alice").await.expect("room").expect("small enough");
        assert_eq!(first.bytes.len(), 700);
        assert!(gather(LONG, "alice").await.is_err(), "more than a share");
        assert!(gather(LONG, "bob").await.is_ok());
        drop(first);
        assert!(gather(LONG, "alice").await.is_ok());
    }

    #[tokio::test]
    async fn an_idle_body_in_memory_is_408() {
        let budget = MemoryBudget::new(4000, 1000);
        let stalled = gather(stalled(), 2000, SHORT, budget.open(user("alice")), Code::ManifestInvalid).await;
        let refused = axum::response::IntoResponse::into_response(stalled.err().expect("too slow"));
        assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
