//! A CA that is not as it should be, and a server that answers what a test tells it to.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A CA made for a test.
pub struct Ca {
    params: CertificateParams,
    key: KeyPair,
    der: CertificateDer<'static>,
}

impl Ca {
    pub fn new(adjust: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // Each of another name, as those of several registries are.
        params.distinguished_name.push(DnType::CommonName, format!("test CA {:08x}", rand::random::<u32>()));
        params.name_constraints = Some(constrained_to("localhost"));
        adjust(&mut params);
        let key = KeyPair::generate().expect("a key");
        let der = params.self_signed(&key).expect("a certificate").der().clone();
        Self { params, key, der }
    }

    pub fn pem(&self) -> String {
        pem(&self.der)
    }

    pub fn pin(&self) -> String {
        portcullis::domain::net::Fingerprint::of_der(&self.der).to_string()
    }

    /// The certificate in which this CA vouches for another's key.
    pub fn vouches_for(&self, other: &Self, adjust: impl FnOnce(&mut CertificateParams)) -> String {
        let mut params = other.params.clone();
        adjust(&mut params);
        pem(params.signed_by(&other.key, &self.issuer()).expect("a certificate").der())
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    /// A server that presents a certificate for `name` from this CA, and answers each path with these bytes.
    pub async fn serve(&self, name: &str, ca_answer: Vec<u8>, ping_answer: &str) -> String {
        let ping_answer = ping_answer.as_bytes().to_vec();
        self.serve_paths(name, "", move |path| if path == "/v2/" { ping_answer.clone() } else { ca_answer.clone() })
            .await
    }

    /// The same with more certificates (PEM) behind the first, and with an answer for each path.
    pub async fn serve_paths(
        &self,
        name: &str,
        above: &str,
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> String {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let leaf = params.signed_by(&key, &self.issuer()).expect("a certificate");
        let mut chain = vec![leaf.der().clone()];
        chain.extend(CertificateDer::pem_slice_iter(above.as_bytes()).map(|der| der.expect("PEM")));
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS #8");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .expect("a pair");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("localhost:{}", listener.local_addr().expect("bound").port());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..read]);
                assert!(!head.to_lowercase().contains("authorization"));
                let path = head.split_whitespace().nth(1).unwrap_or_default();
                // The client may have seen enough.
                let _ = stream.write_all(&answer(path)).await;
                let _ = stream.shutdown().await;
            }
        });
        address
    }
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

pub fn constrained_to(host: &str) -> NameConstraints {
    NameConstraints { permitted_subtrees: vec![GeneralSubtree::DnsName(host.to_owned())], excluded_subtrees: vec![] }
}

pub const REGISTRY: &str =
    "HTTP/1.1 401 Unauthorized\r\ndocker-distribution-api-version: registry/2.0\r\ncontent-length: 0\r\n\r\n";

pub fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
