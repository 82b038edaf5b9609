//! Who is charged for a request: noted where its credential is verified, asked for by the handlers that take up memory or places.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::auth::Credential;
use crate::http::App;
use crate::http::middleware::access_log::LoggedRequest;
use crate::http::request::client_address::client_address;
use crate::registry::Owner;

/// The account of the credential that was verified before, in the order of a handler's arguments; else the client's address.
pub(in crate::http) struct ChargedTo(pub(in crate::http) Owner);

/// To be called with every credential that was verified.
pub(in crate::http) fn note_account(parts: &Parts, credential: &Credential) {
    if let Some(account) = credential.principal().account()
        && let Some(request) = parts.extensions.get::<Arc<LoggedRequest>>()
    {
        request.note_account(account);
    }
}

impl FromRequestParts<App> for ChargedTo {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let account = parts.extensions.get::<Arc<LoggedRequest>>().and_then(|request| request.account());
        let address = client_address(parts, &app.settings.server.trusted_proxies);
        Ok(Self(Owner::of(account, address)))
    }
}
