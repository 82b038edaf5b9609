//! What a person sees who opens the registry's address, in a browser and in a terminal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use sha2::{Digest, Sha256};

use super::readiness::operators_pair;
use crate::support::{Raw, Server, header};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn pin(server: &Server) -> String {
    let shown: serde_json::Value = serde_json::from_slice(&server.run(&["ca", "show", "--json"]).stdout).expect("JSON");
    shown["sha256"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn a_browser_gets_a_page_without_a_script() {
    let server = Server::start().await;
    let request = server.anonymous().bare(Method::GET, "/").header("accept", BROWSER);
    let response = request.send().await.expect("an answer");
    assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert_eq!(header(&response, "referrer-policy"), "no-referrer");
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "vary"), "accept");
    let policy = header(&response, "content-security-policy");
    let html = response.text().await.expect("HTML");
    let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
    let hash = STANDARD.encode(Sha256::digest(style));
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
    );
    let low = html.to_lowercase();
    for forbidden in ["<script", "javascript:", "style=", " onload", " onclick", "http://", "src="] {
        assert!(!low.contains(forbidden), "{forbidden} in {html}");
    }
    let (host, pin) = (server.host(), pin(&server));
    assert!(html.contains(&format!("<pre class=\"pin\">{pin}</pre>")), "{html}");
    assert!(html.contains(&format!("<pre>docker login {host}</pre>")), "{html}");
    assert!(html.contains(&format!("<pre>portcullis trust {host} --ca-sha256 {pin}</pre>")), "{html}");
    let shell = String::from_utf8_lossy(&server.run(&["ca", "trust-command", &host]).stdout).trim().to_owned();
    let unescaped = ["&#34;=\"", "&#39;='", "&#38;=&", "&#60;=<", "&#62;=>"].iter().fold(html, |html, pair| {
        let (entity, character) = pair.split_once('=').expect("a pair");
        html.replace(entity, character)
    });
    assert!(unescaped.contains(&shell), "the shell line is the one of `ca trust-command`: {unescaped}");
}

#[tokio::test]
async fn everyone_else_gets_text_with_the_fingerprint() {
    let server = Server::start().await;
    for accept in ["*/*", "application/json", "text/plain, text/html;q=0"] {
        let request = server.anonymous().bare(Method::GET, "/").header("accept", accept);
        let response = request.send().await.expect("an answer");
        assert_eq!(header(&response, "content-type"), "text/plain; charset=utf-8", "{accept}");
        assert!(header(&response, "content-security-policy").starts_with("default-src 'none';"));
        let text = response.text().await.expect("text");
        assert!(text.contains(&pin(&server)) && text.contains(&format!("docker login {}", server.host())), "{text}");
        let shell = String::from_utf8_lossy(&server.run(&["ca", "trust-command", &server.host()]).stdout).into_owned();
        assert!(text.contains(shell.trim()), "{text}");
    }
}

#[tokio::test]
async fn head_tells_what_get_would() {
    let server = Server::start().await;
    let ask = async |method, path| {
        let request = server.anonymous().bare(method, path).header("accept", BROWSER);
        request.send().await.expect("an answer")
    };
    for (path, status) in [("/", StatusCode::OK), ("/v2/absent/manifests/v1", StatusCode::UNAUTHORIZED)] {
        let (get, head) = (ask(Method::GET, path).await, ask(Method::HEAD, path).await);
        assert_eq!((head.version(), head.status()), (http::Version::HTTP_2, status), "{path}");
        for name in ["content-type", "content-length", "content-security-policy", "cache-control"] {
            assert_eq!(header(&head, name), header(&get, name), "{path}: {name}");
        }
        // HTTP/2 would carry one, which is an error of the protocol.
        assert!(head.text().await.expect("nothing").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_host_that_could_break_out_is_refused() {
    let server = Server::start().await;
    for host in
        ["<script>alert(1)</script>", "a\"onload=x", "a';touch${IFS}x;'", "$(x)", "`x`", "user@host", "a~b", "a..b", ""]
    {
        let mut raw = Raw::connect(&server).await;
        let answer = raw.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n")).await;
        assert_eq!(answer.status, 400, "{host}: {}", answer.body);
        assert!(host.is_empty() || !answer.body.contains(host), "{host}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_needs_no_trust_here() {
    let mut server = Server::absent("");
    server.initialise();
    let (pair, ca) = operators_pair(server.home(), 60);
    server.configure(&pair);
    server.spawn().await;
    let text = super::readiness::asked_with(&ca, server.port(), "/").await;
    assert!(text.contains("docker login") && !text.contains("portcullis trust") && !text.contains("SHA-256"), "{text}");
}
