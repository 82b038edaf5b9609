//! The access log: one line for each request, under the request's id; and the response if a handler panics.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::denied_log::{DeniedLog, excerpt};
use crate::domain::net::peer_address::PeerAddress;
use crate::http::auth::accounting::VerifiedAccount;
use crate::http::error::OciError;
use crate::registry::Owner;

/// What the log and the accounts need to know of a request that a handler has taken over.
pub(in crate::http) struct LoggedRequest {
    pub(in crate::http) id: RequestId,
    since: Instant,
    method: Method,
    path: String,
    peer: Option<SocketAddr>,
    verified: VerifiedAccount,
}

impl LoggedRequest {
    pub(in crate::http) fn note(request: &mut Request) -> Self {
        let (id, verified) = (RequestId(Uuid::now_v7()), VerifiedAccount::default());
        request.extensions_mut().insert(id);
        request.extensions_mut().insert(verified.clone());
        let peer = request.extensions().get::<PeerAddress>().map(PeerAddress::socket);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        Self { id, since: Instant::now(), method, path, peer, verified }
    }

    /// The account, or the address of the connection.
    pub(in crate::http) fn owner(&self) -> Owner {
        let address = || self.peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        self.verified.account().cloned().unwrap_or_else(|| Owner::of(None, address()))
    }

    pub(in crate::http) fn panicked(&self) -> Response {
        let (id, method, path) = (self.id.0, excerpt(self.method.as_str()), excerpt(&self.path));
        tracing::error!(request = %id, %method, %path, "a request handler panicked; this is a bug, please report it");
        OciError::panicked().into_response()
    }

    pub(in crate::http) fn log(&self, status: StatusCode, denied_log: &Arc<DeniedLog>) {
        let quiet = matches!(self.method, Method::GET | Method::HEAD) && status.as_u16() < 400;
        // What unauthenticated clients can cause at will is counted after a few lines.
        let refused = status.is_client_error() && self.verified.account().is_none();
        if refused && !denied_log.may_be_told(self.peer.map(|peer| peer.ip()), status) {
            return;
        }
        let (id, method, path, status) =
            (self.id.0, excerpt(self.method.as_str()), excerpt(&self.path), status.as_u16());
        let duration_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let peer = self.peer.map(tracing::field::display);
        if quiet {
            tracing::debug!(request = %id, %method, %path, status, duration_us, peer, "answered");
        } else {
            tracing::info!(request = %id, %method, %path, status, duration_us, peer, "answered");
        }
    }
}

/// The request's name in the log and in answers.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct RequestId(pub(in crate::http) Uuid);

/// The request's name. Each request has one from the start.
pub(in crate::http) fn request_id(parts: &Parts) -> Uuid {
    parts.extensions.get::<RequestId>().map_or(Uuid::nil(), |id| id.0)
}
