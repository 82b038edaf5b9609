//! Client certificates: who comes in without a password, who does not, and what a revoked one is still good for: nothing.

use reqwest::{Method, StatusCode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::server::ALICE_PASSWORD;
use crate::support::token_key::parts;
use crate::support::{Actor, ClientCa, Image, Server, eventually, header};

const PING: &str = "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A server that knows alice and bob, and takes certificates of this CA; `more` are further lines of the section.
async fn start(ca: &ClientCa, more: &str) -> Server {
    let mut server = prepare(ca, more);
    server.spawn().await;
    server
}

/// The same, to be started.
fn prepare(ca: &ClientCa, more: &str) -> Server {
    let mut server = Server::absent("");
    server.configure(&format!(
        "[client_certificates]\nca = \"{}\"\n{}\n",
        ca.write(&server.home().join("clients.pem")).display(),
        more.replace("HOME", &server.home().display().to_string())
    ));
    server.initialise();
    server.add_user("alice", ALICE_PASSWORD);
    server.add_user("bob", "the password of bob");
    server
}

/// A rustls client that shows the certificate, of one protocol version where one is named.
fn tls_client(
    server: &Server,
    pair: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca().as_bytes()).expect("PEM")).expect("a CA");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let chain = CertificateDer::pem_slice_iter(pair.as_bytes()).collect::<Result<_, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(pair.as_bytes()).expect("PEM");
    Arc::new(builder.with_root_certificates(roots).with_client_auth_cert(chain, key).expect("a pair"))
}

async fn connect(server: &Server, config: &Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}

/// Sends the ping and reads the beginning of the answer. In TLS 1.3 only this shows that the server refused the certificate.
async fn ping(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    stream.write_all(PING.as_bytes()).await?;
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        count => Ok(String::from_utf8_lossy(&buffer[..count]).into_owned()),
    }
}

/// The handshake with this certificate fails, and the log says why.
async fn is_refused(server: &Server, pair: &str, reason: &str) {
    let config = tls_client(server, pair, rustls::ALL_VERSIONS);
    let outcome = match connect(server, &config).await {
        Ok(mut stream) => ping(&mut stream).await,
        Err(error) => Err(error),
    };
    assert!(outcome.is_err(), "{reason}: {outcome:?}");
    eventually(reason, async || server.log().contains(reason)).await;
}

async fn status(who: &Actor, method: Method, path: &str) -> StatusCode {
    who.bare(method, path).send().await.expect("an answer").status()
}

#[tokio::test]
async fn a_certificate_is_all_that_its_user_needs() {
    let ca = ClientCa::new("clients");
    let server = start(&ca, "").await;
    let pair = ca.pair("alice", 1);
    for http2 in [true, false] {
        let alice = Actor::with_certificate(server.port(), server.ca(), &pair, http2);
        let pinged = alice.bare(Method::GET, "/v2/").send().await.expect("an answer");
        assert_eq!((pinged.status(), pinged.version() == http::Version::HTTP_2), (StatusCode::OK, http2));
        let repository = format!("alice/app{}", u8::from(http2));
        // No request is ever challenged.
        Image::of(&repository).push(&alice, &repository, "v1").await;
        assert_eq!(status(&alice, Method::GET, &format!("/v2/{repository}/manifests/v1")).await, StatusCode::OK);
        assert_eq!(status(&alice, Method::GET, "/v2/_catalog").await, StatusCode::OK);
        let foreign = alice.bare(Method::POST, "/v2/bob/app/blobs/uploads/").send().await.expect("an answer");
        assert_eq!(foreign.status(), StatusCode::UNAUTHORIZED);
        assert!(foreign.text().await.expect("text").contains("alice may not push to bob/app"));
    }
}

#[tokio::test]
async fn who_has_none_logs_in_as_before_and_who_logs_in_is_who_they_say() {
    let ca = ClientCa::new("clients");
    let server = start(&ca, "").await;
    let with_password = server.actor("alice", ALICE_PASSWORD);
    Image::of("a").push(&with_password, "alice/app", "v1").await;
    assert_eq!(status(&server.anonymous(), Method::GET, "/v2/").await, StatusCode::UNAUTHORIZED);

    let alice = server.certified(&ca.pair("alice", 1));
    let wrong = alice.bare(Method::GET, "/v2/").basic_auth("alice", Some("wrong")).send().await.expect("an answer");
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "what the header says counts alone");
    let as_bob = alice.bare(Method::GET, "/v2/alice/app/manifests/v1").basic_auth("bob", Some("the password of bob"));
    assert_eq!(as_bob.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    for (site, expected) in [("cross-site", 401), ("same-site", 401), ("same-origin", 200), ("none", 200)] {
        let page = alice.bare(Method::GET, "/v2/").header("sec-fetch-site", site).send().await.expect("an answer");
        assert_eq!(page.status(), expected, "a page of another site is not alice: {site}");
    }
    let forged = alice.with_token(Method::GET, "/v2/alice/app/manifests/v1", "e30.e30.e30").send().await;
    assert_eq!(forged.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    let asked =
        alice.bare(Method::GET, "/auth/token").basic_auth("alice", Some("wrong")).send().await.expect("an answer");
    assert_eq!(asked.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_token_endpoint_gives_the_certificates_user_a_token() {
    let ca = ClientCa::new("clients");
    let server = start(&ca, "").await;
    let alice = server.certified(&ca.pair("alice", 1));
    let token = alice.token(&["repository:alice/app:pull,push", "repository:bob/app:pull"]).await.expect("a token");
    let (_, claims) = parts(&token);
    assert_eq!(claims["sub"], "user:alice");
    assert_eq!(claims["access"].as_array().map(Vec::len), Some(1), "cut to what alice may: {claims}");
    // It is good without the certificate, too.
    let opened = server.anonymous().with_token(Method::POST, "/v2/alice/app/blobs/uploads/", &token).send().await;
    let opened = opened.expect("an answer");
    assert_eq!(opened.status(), StatusCode::ACCEPTED);
    // An upload belongs to its user, however they come in.
    let session = header(&opened, "location");
    assert_eq!(status(&alice, Method::GET, &session).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_user_is_a_wrong_credential() {
    let ca = ClientCa::new("clients");
    let server = start(&ca, "").await;
    server.run(&["grant", "add", "--to", "anonymous", "--on", "public/**", "--allow", "pull"]);
    for (name, said) in
        [("carol", "is for carol, who is not a user of this registry"), ("Not A Name", "names no user here")]
    {
        let outsider = server.certified(&ca.pair(name, 1));
        for path in ["/v2/", "/v2/public/app/tags/list", "/auth/token?scope=repository:public/app:pull"] {
            let answer = outsider.bare(Method::GET, path).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name} {path}");
            assert!(header(&answer, "www-authenticate").starts_with("Bearer realm="));
            let text = answer.text().await.expect("text");
            assert!(text.contains(said), "{text}");
        }
        let login = outsider.bare(Method::GET, "/v2/").basic_auth("alice", Some(ALICE_PASSWORD)).send().await;
        assert_eq!(login.expect("an answer").status(), StatusCode::OK, "a password is as good as before");
    }
    let bob = server.certified(&ca.pair("bob", 2));
    let token = bob.token(&["repository:bob/app:pull"]).await.expect("a token");
    assert_eq!(status(&bob, Method::GET, "/v2/").await, StatusCode::OK);
    server.run(&["user", "disable", "bob"]);
    eventually("the end of bob", async || status(&bob, Method::GET, "/v2/").await == StatusCode::UNAUTHORIZED).await;
    let with_token = bob.with_token(Method::GET, "/v2/", &token).send().await.expect("an answer");
    assert_eq!(with_token.status(), StatusCode::UNAUTHORIZED);
    // One who is added later is known at once.
    let dora = server.certified(&ca.pair("dora", 3));
    assert_eq!(status(&dora, Method::GET, "/v2/").await, StatusCode::UNAUTHORIZED);
    server.add_user("dora", "a password of hers");
    assert_eq!(status(&dora, Method::GET, "/v2/").await, StatusCode::OK);
}

#[tokio::test]
async fn what_the_ca_did_not_sign_for_clients_ends_in_the_handshake() {
    let ca = ClientCa::new("clients");
    let server = start(&ca, "").await;
    is_refused(&server, &ClientCa::new("clients").pair("alice", 1), "no CA that client_certificates.ca names").await;
    is_refused(&server, &ClientCa::new("others").pair("alice", 1), "no CA that client_certificates.ca names").await;
    let expired = ca.pair_with("alice", 2, |params| {
        params.not_after = time::OffsetDateTime::now_utc() - time::Duration::hours(1);
    });
    is_refused(&server, &expired, "it expired on").await;
    let of_a_server = ca.pair_with("alice", 3, |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    is_refused(&server, &of_a_server, "it was not made for client authentication").await;
    // The registry's own CA signs for servers, and names no user.
    assert_eq!(status(&server.certified(&ca.pair("alice", 4)), Method::GET, "/v2/").await, StatusCode::OK);
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_at_once_everywhere() {
    let ca = ClientCa::new("clients");
    let mut server = prepare(&ca, "crl = [\"HOME/clients.crl\"]");
    let list = server.home().join("clients.crl");
    std::fs::write(&list, ca.crl(&[7], 1)).expect("writable");
    server.spawn().await;
    is_refused(&server, &ca.pair("alice", 7), "its CA has revoked it").await;

    let pair = ca.pair("alice", 8);
    let open = server.certified(&pair);
    assert_eq!(status(&open, Method::GET, "/v2/").await, StatusCode::OK);
    let versions = [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]];
    let clients: Vec<_> = versions.iter().map(|versions| tls_client(&server, &pair, versions)).collect();
    let mut connections = Vec::new();
    for config in clients.iter().chain(&clients) {
        let mut stream = connect(&server, config).await.expect("a handshake");
        assert!(ping(&mut stream).await.expect("an answer").starts_with("HTTP/1.1 200"));
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "nothing is resumed");
        connections.push(stream);
    }

    std::fs::write(&list, "torn").expect("writable");
    eventually("the torn list is told", async || server.log().contains("are rejected; what was read")).await;
    assert_eq!(status(&open, Method::GET, "/v2/").await, StatusCode::OK);
    std::fs::write(&list, ca.crl(&[7, 8], 1)).expect("writable");
    eventually("the end on an open connection", async || {
        status(&open, Method::GET, "/v2/").await == StatusCode::UNAUTHORIZED
    })
    .await;
    for stream in &mut connections {
        let answer = ping(stream).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("its CA has revoked it"), "{answer}");
    }
    let login =
        open.bare(Method::GET, "/v2/").basic_auth("alice", Some(ALICE_PASSWORD)).send().await.expect("an answer");
    assert_eq!(login.status(), StatusCode::UNAUTHORIZED, "nothing comes over such a connection");
    for config in &clients {
        let outcome = match connect(&server, config).await {
            Ok(mut stream) => ping(&mut stream).await,
            Err(error) => Err(error),
        };
        assert!(outcome.is_err(), "{outcome:?}");
    }
    assert_eq!(status(&server.certified(&ca.pair("alice", 9)), Method::GET, "/v2/").await, StatusCode::OK);
}

#[tokio::test]
async fn a_list_that_is_overdue_refuses_and_a_new_ca_counts_after_sighup() {
    let ca = ClientCa::new("clients");
    let mut server = prepare(&ca, "crl = [\"HOME/clients.crl\"]");
    let list = server.home().join("clients.crl");
    std::fs::write(&list, ca.crl(&[], -1)).expect("writable");
    server.spawn().await;
    is_refused(&server, &ca.pair("alice", 1), "was to be replaced by").await;
    assert!(
        server.log().contains("certificates of CN=clients are refused until there is a newer one"),
        "{}",
        server.log()
    );
    std::fs::write(&list, ca.crl(&[], 1)).expect("writable");
    let alice = ca.pair("alice", 1);
    let config = tls_client(&server, &alice, rustls::ALL_VERSIONS);
    eventually("the newer list", async || match connect(&server, &config).await {
        Ok(mut stream) => ping(&mut stream).await.is_ok(),
        Err(_) => false,
    })
    .await;

    // The old CA's connection ends with the old CA.
    let open = server.certified(&alice);
    assert_eq!(status(&open, Method::GET, "/v2/").await, StatusCode::OK);
    let new = ClientCa::new("new");
    new.write(&server.home().join("clients.pem"));
    server.signal("HUP");
    eventually("the new CA", async || status(&open, Method::GET, "/v2/").await == StatusCode::UNAUTHORIZED).await;
    assert_eq!(status(&server.certified(&new.pair("alice", 1)), Method::GET, "/v2/").await, StatusCode::OK);
}

#[tokio::test]
async fn no_one_comes_in_without_where_one_is_required() {
    let ca = ClientCa::new("clients");
    let mut server = start(&ca, "required = true\nuser = \"san-email\"\npattern = \"{user}@example.com\"").await;
    assert!(server.anonymous().bare(Method::GET, "/v2/").send().await.is_err());
    assert!(server.actor("alice", ALICE_PASSWORD).basic(Method::GET, "/health/live").send().await.is_err());
    eventually("the reason", async || server.log().contains("client_certificates.required")).await;
    let mail = |address: &str| {
        let address = rcgen::SanType::Rfc822Name(address.to_owned().try_into().expect("ASCII"));
        ca.pair_with("someone", 1, |params| params.subject_alt_names = vec![address])
    };
    assert_eq!(status(&server.certified(&mail("alice@example.com")), Method::GET, "/v2/").await, StatusCode::OK);
    let other = server.certified(&mail("alice@other.test"));
    assert_eq!(status(&other, Method::GET, "/v2/").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&other, Method::GET, "/health/live").await, StatusCode::OK);
    // Who watches over the process sees that it is there.
    server.configure(&format!(
        "[server]\nlisten = \"127.0.0.1:{}\"\n[client_certificates]\nca = \"x\"\nrequired = true\n",
        server.port()
    ));
    server.run(&["health"]);
}

#[tokio::test]
async fn unusable_files_are_told_at_the_start() {
    let mut server = Server::absent("");
    server.initialise();
    let ca = ClientCa::new("clients");
    let (good, bad) = (ca.write(&server.home().join("ca.pem")), server.home().join("bad.pem"));
    for (content, section, said) in [
        (String::new(), format!("ca = {bad:?}"), "no BEGIN CERTIFICATE line"),
        (ca.pair("alice", 1), format!("ca = {bad:?}"), "is no CA"),
        ("x".to_owned(), format!("ca = {good:?}\ncrl = [{bad:?}]"), "no BEGIN X509 CRL line"),
        (
            ClientCa::new("clients").crl(&[], 1),
            format!("ca = {good:?}\ncrl = [{bad:?}]"),
            "is not signed by CN=clients",
        ),
        (ca.crl(&[], 1) + &ca.crl(&[1], 1), format!("ca = {good:?}\ncrl = [{bad:?}]"), "a second revocation list"),
    ] {
        std::fs::write(&bad, content).expect("writable");
        server.configure(&format!("[client_certificates]\n{section}\n"));
        let output = server.try_run(&["serve", "--listen", "127.0.0.1:0"], "");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(said) && text.contains("bad.pem"), "{said}: {text}");
    }
}
