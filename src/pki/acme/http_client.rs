//! The HTTPS client for the authority's server, as the ACME library wants it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, Response};
use http_body_util::Full;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use jiff::Timestamp;
use rustls::RootCertStore;

use super::settings::OrderSettings;
use crate::client::{Client, Limits, TrustMode};
use crate::domain::Clock;
use crate::pki::PkiError;
use crate::pki::certificate;
use crate::pki::files::private_file::read_public;

/// The largest answer is a chain of a few certificates, a hundredth of this size.
const LIMITS: Limits = Limits { total: Duration::from_secs(30), idle: Duration::from_secs(20), size: 1 << 20 };

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A client that trusts what the settings say. Clones share what they remember.
#[derive(Clone)]
pub(super) struct AcmeHttpClient {
    client: Client,
    retry_after: Arc<Mutex<Option<Duration>>>,
    clock: Clock,
}

impl AcmeHttpClient {
    pub(super) fn new(settings: &OrderSettings, clock: Clock) -> Result<Self, PkiError> {
        Ok(Self { client: Client::new(trust(settings)?, LIMITS)?, retry_after: Arc::default(), clock })
    }

    /// How long the server wants not to be asked, by the last refusal that said so; forgotten when it has been read.
    pub(super) fn take_retry_after(&self) -> Option<Duration> {
        self.retry_after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, AnyError> {
        let response = self.client.send(request).await?.collect().await?.map(Full::new);
        if response.status().is_client_error() || response.status().is_server_error() {
            *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = retry_after(&response, self.clock.now());
            let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !kind.contains("json") {
                return Err(format!("it answers {} without saying why", response.status()).into());
            }
        }
        Ok(BytesResponse::from(response))
    }
}

impl HttpClient for AcmeHttpClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let sent = self.clone().send(request);
        Box::pin(async move { sent.await.map_err(Error::Other) })
    }
}

/// The seconds of a `Retry-After`, or those until its date (RFC 9110, section 10.2.3); `None` for a date that has passed.
fn retry_after<B>(response: &Response<B>, now: Timestamp) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    u64::try_from(date.as_second().saturating_sub(now.as_second())).ok().map(Duration::from_secs)
}

fn trust(settings: &OrderSettings) -> Result<TrustMode, PkiError> {
    let Some(path) = &settings.acme.directory_ca else { return Ok(TrustMode::PublicRoots) };
    let mut roots = RootCertStore::empty();
    for root in certificate::from_pem(path, &read_public(path)?)? {
        roots.add(root)?;
    }
    Ok(TrustMode::Roots(roots))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let response = |text: &str| Response::builder().header(RETRY_AFTER, text).body(()).unwrap();
        let now = Timestamp::from_second(1_445_412_470).unwrap();
        let wait = |text: &str| retry_after(&response(text), now).map(|wait| wait.as_secs());
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(10));
        for text in ["", "soon", "-1", "99999999999999999999", "Wed, 21 Oct 2015 07:27:00 GMT"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }
}
