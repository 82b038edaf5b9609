//! The access log: one line for each request, under the request's id; and the response if a handler panics.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::denied_log::{DeniedLog, excerpt};
use crate::domain::AccountName;
use crate::domain::net::peer_address::PeerAddress;
use crate::http::error::OciError;
use crate::registry::Owner;

/// What the log and the accounts need to know of a request that a handler has taken over. In the request's extensions, so that handlers
/// add to it.
pub(in crate::http) struct LoggedRequest {
    pub(in crate::http) id: Uuid,
    since: Instant,
    method: Method,
    uri: Uri,
    peer: Option<SocketAddr>,
    /// Whose credential was verified.
    account: OnceLock<AccountName>,
}

impl LoggedRequest {
    pub(in crate::http) fn note(request: &mut Request) -> Arc<Self> {
        let peer = request.extensions().get::<PeerAddress>().map(PeerAddress::socket);
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let noted =
            Arc::new(Self { id: Uuid::now_v7(), since: Instant::now(), method, uri, peer, account: OnceLock::new() });
        request.extensions_mut().insert(Arc::clone(&noted));
        noted
    }

    pub(in crate::http) fn note_account(&self, account: &AccountName) {
        self.account.get_or_init(|| account.clone());
    }

    pub(in crate::http) fn account(&self) -> Option<&AccountName> {
        self.account.get()
    }

    /// The account, or the address of the connection.
    pub(in crate::http) fn owner(&self) -> Owner {
        let address = self.peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        Owner::of(self.account(), address)
    }

    pub(in crate::http) fn panicked(&self) -> Response {
        let (id, method, path) = (self.id, excerpt(self.method.as_str()), excerpt(self.uri.path()));
        tracing::error!(request = %id, %method, %path, "a request handler panicked; this is a bug, please report it");
        OciError::panicked().into_response()
    }

    pub(in crate::http) fn log(&self, status: StatusCode, denied_log: &Arc<DeniedLog>) {
        let quiet = matches!(self.method, Method::GET | Method::HEAD) && status.as_u16() < 400;
        // What unauthenticated clients can cause at will is counted after a few lines.
        let refused = status.is_client_error() && self.account().is_none();
        if refused && !denied_log.may_be_told(self.peer.map(|peer| peer.ip()), status) {
            return;
        }
        let (id, method, path, status) =
            (self.id, excerpt(self.method.as_str()), excerpt(self.uri.path()), status.as_u16());
        let duration_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let peer = self.peer.map(tracing::field::display);
        if quiet {
            tracing::debug!(request = %id, %method, %path, status, duration_us, peer, "answered");
        } else {
            tracing::info!(request = %id, %method, %path, status, duration_us, peer, "answered");
        }
    }
}

/// The request's name. Each request has one from the start.
pub(in crate::http) fn request_id(parts: &Parts) -> Uuid {
    parts.extensions.get::<Arc<LoggedRequest>>().map_or(Uuid::nil(), |request| request.id)
}
