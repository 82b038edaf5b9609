//! Plain HTTP for an ACME server that validates a challenge (RFC 8555, section 8.3), and for nothing else: all other requests are sent to
//! https.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{BindError, REST, listen, plain_http};
use crate::domain::net::peer_address::PeerAddress;
use crate::pki::acme::AcmeChallenges;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 128;
/// For one request and its answer.
const LIMIT: Duration = Duration::from_secs(5);
/// Where an ACME server looks.
const PLACE: &str = "/.well-known/acme-challenge/";

/// A bound socket for plain HTTP.
#[derive(Debug)]
pub struct AcmeListener {
    listener: TcpListener,
    https_port: u16,
}

impl AcmeListener {
    /// Binds the address. `https_port` is where others are sent.
    pub fn bind(address: SocketAddr, https_port: u16) -> Result<Self, BindError> {
        let refuse = |source| BindError { address, setting: "acme.http_listen", source };
        Ok(Self { listener: listen(address).map_err(refuse)?, https_port })
    }

    /// Answers until `shutdown`.
    pub async fn serve(self, challenges: Arc<AcmeChallenges>, shutdown: CancellationToken) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let accept_all = async {
            loop {
                // The semaphore is never closed; without room there is nothing to accept.
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
                let Ok((stream, peer)) = self.listener.accept().await else {
                    tokio::time::sleep(REST).await;
                    continue;
                };
                let (challenges, https_port) = (Arc::clone(&challenges), self.https_port);
                tokio::spawn(async move {
                    let respond = |request: &Request<_>| respond(request, &challenges, https_port);
                    plain_http::answer_with(stream, PeerAddress::new(peer), LIMIT, respond).await;
                    drop(permit);
                });
            }
        };
        let _ = shutdown.run_until_cancelled(accept_all).await;
    }
}

fn respond<B>(request: &Request<B>, challenges: &AcmeChallenges, https_port: u16) -> Response<Full<Bytes>> {
    let token = request.uri().path().strip_prefix(PLACE);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match token {
        Some(token) if reads => match challenges.key_authorization(token) {
            Some(answer) => {
                let mut response = plain_http::text(StatusCode::OK, answer);
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
                response
            }
            None => plain_http::text(StatusCode::NOT_FOUND, "Unknown challenge.\n".to_owned()),
        },
        _ => plain_http::respond(request, Some(https_port)),
    }
}

#[cfg(test)]
mod tests {
    use http::header::LOCATION;
    use http_body_util::BodyExt;
    use jiff::Timestamp;

    use super::*;
    use crate::config::AcmeChallenge;
    use crate::pki::acme::PendingAcmeChallenge;

    fn get(path: &str) -> Request<()> {
        Request::builder().uri(path).header("host", "registry.test:80").body(()).unwrap()
    }

    #[tokio::test]
    async fn only_pending_challenges_are_answered_and_the_rest_is_sent_to_https() {
        let challenges = AcmeChallenges::new(AcmeChallenge::Http01);
        challenges.replace(vec![PendingAcmeChallenge {
            name: "registry.test".parse().unwrap(),
            token: "token".to_owned(),
            key_authorization: "token.thumbprint".to_owned(),
            expires: Timestamp::MAX,
        }]);
        let respond = |request: &Request<()>, port| respond(request, &challenges, port);
        let answer = respond(&get("/.well-known/acme-challenge/token"), 443);
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "token.thumbprint");
        for path in
            ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/other", "/.well-known/acme-challenge/token/"]
        {
            assert_eq!(respond(&get(path), 443).status(), StatusCode::NOT_FOUND, "{path}");
        }
        for (port, target) in [(443, "https://registry.test/v2/?a"), (5000, "https://registry.test:5000/v2/?a")] {
            let sent = respond(&get("/v2/?a"), port);
            assert_eq!(sent.status(), StatusCode::TEMPORARY_REDIRECT);
            assert_eq!(sent.headers()[LOCATION], target);
        }
    }
}
