//! The body of an answer, which knows what of it the peer has not taken yet.
//!
//! hyper and h2 keep what they were given until the socket, or the window of a stream, takes it. Each part therefore carries its own
//! record and is released by being dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::activity::UnderWay;
use super::request_limit::Place;
use super::response_memory::Held;
use super::unsent_parts::{Debt, Debts};

/// The largest part of an answer on HTTP/2: each has the whole limit of time, so a peer that opens its window by little gets on.
const FRAME: usize = 64 * 1024;

/// A request from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    under_way: UnderWay,
    /// `None` for one that is only told that there is no room.
    _place: Option<Place>,
}

impl Exchange {
    pub(super) fn new(under_way: UnderWay, place: Place) -> Arc<Self> {
        Arc::new(Self { under_way, _place: Some(place) })
    }

    /// One that is refused for want of room.
    pub(super) fn without_place(under_way: UnderWay) -> Arc<Self> {
        Arc::new(Self { under_way, _place: None })
    }

    /// Something of it got on.
    pub(super) fn touch(&self) {
        self.under_way.activity().touch();
    }
}

/// The body of an answer.
pub(super) struct Answer {
    body: Body,
    /// The rest of a chunk that is sent in parts.
    rest: Bytes,
    exchange: Arc<Exchange>,
    /// What this stream owes; HTTP/2 only.
    stream: Option<Arc<Debts>>,
    held: Option<Arc<Held>>,
}

/// A part of an answer on its way.
struct Part {
    bytes: Bytes,
    _debt: Debt,
    _stream: Option<Debt>,
    _held: Option<Arc<Held>>,
    exchange: Arc<Exchange>,
}

impl Answer {
    pub(super) fn new(
        body: Body,
        exchange: Arc<Exchange>,
        stream: Option<Arc<Debts>>,
        held: Option<Arc<Held>>,
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
            _debt: self.exchange.under_way.activity().debts().owe(),
            _stream: self.stream.as_ref().map(Debts::owe),
            _held: self.held.clone(),
            exchange: Arc::clone(&self.exchange),
        })
    }
}

impl http_body::Body for Answer {
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
