//! A directory in front of pebble's that adds what pebble of Debian lacks: suggestions when to renew (RFC 9773). An authority that has
//! revoked a certificate suggests a time that is past.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::pebble::Pebble;

/// The directory, and what it suggests.
pub struct SuggestingDirectory {
    pub url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    revoked: AtomicBool,
    asked: AtomicUsize,
}

impl SuggestingDirectory {
    pub async fn start(pebble: &Pebble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("https://{}", listener.local_addr().expect("bound"));
        let state = Arc::new(State::default());
        let acceptor = acceptor(pebble);
        let (client, behind, seen, here) = (pebble.client(), pebble.directory(), Arc::clone(&state), url.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let answer = if request[..length].starts_with(b"GET /dir ") {
                    let text = client.get(&behind).send().await.expect("an answer").text().await.expect("text");
                    let mut directory: Value = serde_json::from_str(&text).expect("JSON");
                    directory["renewalInfo"] = format!("{here}/renewal-info").into();
                    directory
                } else {
                    seen.suggestion()
                };
                let body = answer.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nretry-after: 60\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url: format!("{url}/dir"), state }
    }

    /// From now on every certificate is to be replaced at once.
    pub fn revoke(&self) {
        self.state.revoked.store(true, Ordering::Relaxed);
    }

    /// How often it was asked for a suggestion.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::Relaxed)
    }
}

impl State {
    fn suggestion(&self) -> Value {
        self.asked.fetch_add(1, Ordering::Relaxed);
        // One suggestion to replace is enough: what comes after it is a new certificate.
        let (start, end) = if self.revoked.swap(false, Ordering::Relaxed) {
            ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")
        } else {
            ("2200-01-01T00:00:00Z", "2200-01-02T00:00:00Z")
        };
        json!({ "suggestedWindow": { "start": start, "end": end } })
    }
}

fn acceptor(pebble: &Pebble) -> TlsAcceptor {
    let (chain, key) = pebble.server_pair();
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(&key).expect("PEM");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("a pair");
    TlsAcceptor::from(Arc::new(config))
}
