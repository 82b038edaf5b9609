//! The TLS settings of the server, chosen here once.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ServerConfig, version};

use super::clients::ClientVerifier;
use super::serving::ServingIdentity;
use super::validation::ACME_TLS;

/// TLS 1.2 and 1.3 with aws-lc; every suite that rustls has is AEAD with forward secrecy. Offers `h2` and `http/1.1`, resumes by
/// tickets whose keys live and die with this process, and accepts no early data (it can be replayed).
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
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(serving);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if resume {
        config.ticketer = aws_lc_rs::Ticketer::new()?;
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
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
