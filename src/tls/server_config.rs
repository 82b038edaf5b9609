//! The TLS settings of the server, chosen here once.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{CipherSuite, ServerConfig, version};

use super::clients::ClientVerifier;
use super::serving::ServingIdentity;
use super::validation::ACME_TLS;

/// TLS 1.2 and 1.3 with aws-lc; every suite that rustls has is AEAD with forward secrecy. Offers `h2` and `http/1.1`, resumes by
/// tickets whose keys live and die with this process, and accepts no early data (it can be replayed).
///
/// Of what a client offers, chooses AES-128-GCM with SHA-256: processors have instructions for both, and none for SHA-384, which was a
/// tenth of a handshake on either side. One ticket for each connection: a client that resumes by it gets the next one.
///
/// With `clients`, asks for their certificates and resumes nothing: a resumed session brings the certificate of the first one along
/// without a look at what has been revoked since.
pub(super) fn server_config(
    serving: Arc<ServingIdentity>,
    clients: Option<Arc<ClientVerifier>>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let resume = clients.is_none();
    let verifier =
        clients.map_or_else(WebPkiClientVerifier::no_client_auth, |clients| clients as Arc<dyn ClientCertVerifier>);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(serving);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    if resume {
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.send_tls13_tickets = 1;
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// The same for a client that prefers ChaCha20-Poly1305, because its processor has no instructions for AES.
pub(super) fn without_aes(config: &ServerConfig) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.ignore_client_order = false;
    Arc::new(config)
}

/// Whether that is what a client prefers, of the suites that are known here.
pub(super) fn prefers_chacha20(offered: &[CipherSuite]) -> bool {
    let known = |suite: &&CipherSuite| aws_lc_rs::ALL_CIPHER_SUITES.iter().any(|known| known.suite() == **suite);
    offered.iter().find(known).is_some_and(|suite| is_of(*suite, "CHACHA20_POLY1305"))
}

fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !is_of(suite.suite(), "AES_128_GCM"));
    provider
}

fn is_of(suite: CipherSuite, cipher: &str) -> bool {
    suite.as_str().is_some_and(|name| name.contains(cipher))
}

/// For the handshake of an authority that validates our names (RFC 8737, section 4): shows the challenge's certificate or none, and asks
/// for none.
pub(super) fn validation_config(serving: Arc<ServingIdentity>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(serving);
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use rustls::CipherSuite;
    use rustls::crypto::aws_lc_rs;

    #[test]
    fn every_suite_is_aead() {
        for suite in aws_lc_rs::default_provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            assert!(name.contains("_GCM_") || name.contains("CHACHA20_POLY1305"), "{name}");
            assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
            assert_ne!(suite.suite(), CipherSuite::TLS_NULL_WITH_NULL_NULL);
        }
    }
}
