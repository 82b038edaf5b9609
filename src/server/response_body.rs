//! The body of a response, which knows what of it the peer has not read yet.
//!
//! hyper and h2 keep what they were given until the socket, or the window of a stream, takes it. Each part therefore carries its own
//! record and is released by being dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::activity::ActiveRequest;
use super::request_limit::RequestPermit;
use super::response_memory::HeldMemory;
use super::unsent_parts::{UnsentPart, UnsentParts};

/// The largest part of an answer on HTTP/2: each has the whole limit of time, so a peer that opens its window by little gets on.
const FRAME: usize = 64 * 1024;

/// A request from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    under_way: ActiveRequest,
    /// `None` for one that is only told that there is no room.
    _permit: Option<RequestPermit>,
}

impl Exchange {
    pub(super) fn new(under_way: ActiveRequest, permit: RequestPermit) -> Arc<Self> {
        Arc::new(Self { under_way, _permit: Some(permit) })
    }

    /// One that is refused because the limit is reached.
    pub(super) fn refused(under_way: ActiveRequest) -> Arc<Self> {
        Arc::new(Self { under_way, _permit: None })
    }

    /// Something of it got on.
    pub(super) fn touch(&self) {
        self.under_way.activity().touch();
    }
}

/// The body of an answer.
pub(super) struct ResponseBody {
    body: Body,
    /// The rest of a chunk that is sent in parts.
    rest: Bytes,
    exchange: Arc<Exchange>,
    /// The unsent parts of this stream; HTTP/2 only.
    stream: Option<Arc<UnsentParts>>,
    held: Option<Arc<HeldMemory>>,
}

/// A part of an answer on its way.
struct Part {
    bytes: Bytes,
    _unsent: UnsentPart,
    _stream: Option<UnsentPart>,
    _held: Option<Arc<HeldMemory>>,
    exchange: Arc<Exchange>,
}

impl ResponseBody {
    pub(super) fn new(
        body: Body,
        exchange: Arc<Exchange>,
        stream: Option<Arc<UnsentParts>>,
        held: Option<Arc<HeldMemory>>,
    ) -> Self {
        Self { body, rest: Bytes::new(), exchange, stream, held }
    }

    fn part(&mut self, mut chunk: Bytes) -> Bytes {
        if self.stream.is_some() && chunk.len() > FRAME {
            self.rest = chunk.split_off(FRAME);
        }
        self.exchange.touch();
        Bytes::from_owner(Part {
            bytes: chunk,
            _unsent: self.exchange.under_way.activity().unsent().add(),
            _stream: self.stream.as_ref().map(UnsentParts::add),
            _held: self.held.clone(),
            exchange: Arc::clone(&self.exchange),
        })
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(Frame::data(self.part(rest)))));
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|chunk| self.part(chunk)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.exchange.touch();
    }
}
