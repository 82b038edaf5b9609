//! Handshakes: sessions that are resumed, and what the server chooses of a client's offers.

use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CipherSuite, ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Server, require_programs};

/// A client that keeps its sessions and prefers the suites whose names contain these.
fn client(server: &Server, preferred: &str, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca().as_bytes()).expect("PEM")).expect("a CA");
    let mut provider: CryptoProvider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !format!("{:?}", suite.suite()).contains(preferred));
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions);
    Arc::new(builder.expect("versions").with_root_certificates(roots).with_no_client_auth())
}

/// One connection with one answer, after which a ticket has come.
async fn visit(server: &Server, client: &Arc<ClientConfig>) -> (HandshakeKind, CipherSuite) {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(Arc::clone(client)).connect(name, stream).await.expect("a handshake");
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
    let tls = stream.get_ref().1;
    (tls.handshake_kind().expect("known"), tls.negotiated_cipher_suite().expect("known").suite())
}

#[tokio::test]
async fn a_client_that_comes_again_resumes_its_session_each_time() {
    let server = Server::start().await;
    for version in rustls::ALL_VERSIONS {
        let client = client(&server, "AES_256", &[version]);
        let mut kinds = Vec::new();
        for _ in 0..4 {
            kinds.push(visit(&server, &client).await.0);
        }
        // Full, and not with a second hello: the key that the client sent along is taken.
        assert_eq!(kinds[0], HandshakeKind::Full, "{version:?}");
        assert!(kinds[1..].iter().all(|kind| *kind == HandshakeKind::Resumed), "{version:?}: {kinds:?}");
    }
}

#[tokio::test]
async fn the_suite_is_the_one_that_processors_have_instructions_for_unless_the_clients_has_none() {
    use CipherSuite as S;
    let server = Server::start().await;
    let (tls12, tls13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    for (version, preferred, chosen) in [
        (tls13, "AES_256", S::TLS13_AES_128_GCM_SHA256),
        (tls13, "AES_128", S::TLS13_AES_128_GCM_SHA256),
        (tls13, "CHACHA20", S::TLS13_CHACHA20_POLY1305_SHA256),
        (tls12, "AES_256", S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        (tls12, "CHACHA20", S::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ] {
        assert_eq!(visit(&server, &client(&server, preferred, &[version])).await.1, chosen, "{preferred}");
    }
}

#[tokio::test]
async fn openssl_resumes_too() {
    if !require_programs(&["openssl"], "openssl") {
        return;
    }
    let server = Server::start().await;
    let sessions = server.home().join("session.pem");
    let visit = |more: &[&str]| {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-connect", &format!("127.0.0.1:{}", server.port()), "-servername", "localhost"]);
        client.args(["-ign_eof", "-sess_out"]).arg(&sessions).args(more);
        let child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("openssl");
        let mut request = child.stdin.take().expect("piped");
        std::io::Write::write_all(&mut request, b"GET /v2/ HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("sent");
        String::from_utf8_lossy(&child.wait_with_output().expect("ended").stdout).into_owned()
    };
    assert!(visit(&[]).contains("New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"));
    let kept = sessions.display().to_string();
    for _ in 0..2 {
        let again = visit(&["-sess_in", &kept]);
        assert!(again.contains("Reused, TLSv1.3"), "{again}");
    }
}
