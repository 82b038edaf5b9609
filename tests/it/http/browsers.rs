//! Pages of other sites that read the registry in a browser, and addresses that a proxy in front decides on.

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};

use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::{Actor, Image, Raw, Server, header};

const LISTED: &str = "https://ui.example.com";

fn allowed(headers: &HeaderMap) -> Option<&str> {
    headers.get("access-control-allow-origin").map(|value| value.to_str().expect("text"))
}

async fn preflight(who: &Actor, origin: &str, method: &str) -> Response {
    let request = who.bare(Method::OPTIONS, "/v2/alice/app/manifests/v1").header("origin", origin);
    let request = request.header("access-control-request-method", method);
    request.header("access-control-request-headers", "authorization").send().await.expect("an answer")
}

#[tokio::test]
async fn pages_of_listed_origins_read_answers_and_others_do_not() {
    let server =
        Server::start_with(&format!("[server]\ncors_origins = [\"{LISTED}\", \"http://localhost:8080\"]\n")).await;
    server.add_user("alice", ALICE_PASSWORD);
    let alice = server.actor("alice", ALICE_PASSWORD);
    Image::of("a").push(&alice, "alice/app", "v1").await;
    for origin in [LISTED, "http://localhost:8080"] {
        let asked = preflight(&alice, origin, "DELETE").await;
        assert_eq!((asked.status(), allowed(asked.headers())), (StatusCode::NO_CONTENT, Some(origin)));
        assert!(header(&asked, "access-control-allow-methods").contains("DELETE"));
        assert!(header(&asked, "access-control-allow-headers").contains("Authorization"));
        let refused = alice.bare(Method::GET, "/v2/").header("origin", origin).send().await.expect("an answer");
        assert_eq!((refused.status(), allowed(refused.headers())), (StatusCode::UNAUTHORIZED, Some(origin)));
        let pulled = alice.send(alice.bare(Method::GET, "/v2/alice/app/manifests/v1").header("origin", origin)).await;
        assert_eq!((pulled.status(), allowed(pulled.headers())), (StatusCode::OK, Some(origin)));
        let readable = header(&pulled, "access-control-expose-headers");
        for name in ["Docker-Content-Digest", "Link", "WWW-Authenticate", "Location", "Range", "OCI-Subject", "OCI-Tag"]
        {
            assert!(readable.split(", ").any(|listed| listed == name), "{name} in {readable}");
        }
        assert!(!pulled.headers().contains_key("access-control-allow-credentials"), "a page sends its own");
        assert!(header(&pulled, "vary").contains("origin"));
    }
    for origin in
        ["https://evil.example.com", "https://ui.example.com.evil.test", "null", "HTTPS://UI.EXAMPLE.COM", "*"]
    {
        let asked = preflight(&alice, origin, "GET").await;
        assert_eq!((asked.status(), allowed(asked.headers())), (StatusCode::METHOD_NOT_ALLOWED, None), "{origin}");
        let pulled = alice.send(alice.bare(Method::GET, "/v2/alice/app/manifests/v1").header("origin", origin)).await;
        assert_eq!(allowed(pulled.headers()), None, "{origin}");
        assert!(header(&pulled, "vary").contains("origin"), "caches must not mix them");
    }
    let other = alice.bare(Method::OPTIONS, "/v2/").header("origin", LISTED).send().await.expect("an answer");
    assert_eq!(other.status(), StatusCode::METHOD_NOT_ALLOWED, "no preflight");
}

#[tokio::test]
async fn without_the_setting_no_page_reads_anything() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    assert_eq!(preflight(&alice, LISTED, "GET").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let answer = alice.bare(Method::GET, "/v2/").header("origin", LISTED).send().await.expect("an answer");
    assert_eq!(allowed(answer.headers()), None);
}

async fn realm(server: &Server, headers: &str) -> String {
    let request = format!("GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n{headers}\r\n");
    let challenge = Raw::connect(server).await.ask(&request).await.header("www-authenticate").to_owned();
    crate::support::actor::parameter(&challenge, "realm").expect("a realm")
}

#[tokio::test]
async fn a_port_that_a_proxy_drops_comes_back_and_the_operator_has_the_last_word() {
    let mut server = Server::start_with("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n").await;
    assert_eq!(realm(&server, "X-Forwarded-Port: 8443\r\n").await, "https://registry.test:8443/auth/token");
    let standard = "Forwarded: for=192.0.2.7;proto=https;host=\"hub.test:5000\"\r\n";
    assert_eq!(realm(&server, standard).await, "https://hub.test:5000/auth/token");
    server.stop().await;
    server.configure(
        "[server]\ntrusted_proxies = [\"127.0.0.1\"]\npublic_url = \"https://hub.example.com:444/\"\n\
         cors_origins = [\"https://ui.example.com\"]\n",
    );
    server.run(&["config", "check"]);
    server.spawn().await;
    for headers in ["", standard, "X-Forwarded-Host: other.test\r\n"] {
        assert_eq!(realm(&server, headers).await, "https://hub.example.com:444/auth/token", "{headers}");
    }
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let page = admin.bare(Method::GET, "/").send().await.expect("an answer").text().await.expect("text");
    assert!(page.contains("hub.example.com:444"), "{page}");
    for wrong in ["http://hub.test", "hub.test", "https://hub.test/registry"] {
        server.configure(&format!("[server]\npublic_url = \"{wrong}\"\n"));
        let refused = server.try_run(&["config", "check"], "");
        assert!(!refused.status.success(), "{wrong}");
    }
}
