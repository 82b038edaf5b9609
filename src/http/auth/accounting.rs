//! Who is charged for a request: noted where its credential is verified, asked for by the handlers that take up memory or places.

use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::auth::Credential;
use crate::http::App;
use crate::http::request::client_address::client_address;
use crate::registry::Owner;

/// The account of the credential that was verified before, in the order of a handler's arguments; else the client's address.
pub(in crate::http) struct ChargedTo(pub(in crate::http) Owner);

/// The account of the request's credential, once it was verified.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct VerifiedAccount(Arc<OnceLock<Owner>>);

impl VerifiedAccount {
    pub(in crate::http) fn account(&self) -> Option<&Owner> {
        self.0.get()
    }
}

/// To be called with every credential that was verified.
pub(in crate::http) fn note_account(parts: &Parts, credential: &Credential) {
    if let Some(account) = credential.principal().account()
        && let Some(verified) = parts.extensions.get::<VerifiedAccount>()
    {
        verified.0.get_or_init(|| Owner::Account(account.clone()));
    }
}

/// The same where the handler has a permit to show for it.
pub(in crate::http) fn note_owner(parts: &mut Parts, app: &App, credential: &Credential) {
    let address = client_address(parts, &app.settings.server.trusted_proxies);
    parts.extensions.insert(Owner::of(credential.principal().account(), address));
}

impl FromRequestParts<App> for ChargedTo {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Owner>().cloned();
        let address = || client_address(parts, &app.settings.server.trusted_proxies);
        Ok(Self(known.unwrap_or_else(|| Owner::of(None, address()))))
    }
}
