//! Logging in: challenges, tokens in every form that clients ask for them, and credentials that stop counting.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::actor::parameter;
use crate::support::image::digest;
use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::token_key::parts;
use crate::support::{Actor, Image, Raw, Server, TokenKey, eventually, header};

async fn form(who: &Actor, fields: &[(&str, &str)]) -> (StatusCode, Value) {
    let response = who.bare(Method::POST, "/auth/token").form(fields).send().await.expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

/// What a token allows, as scopes.
fn access(token: &str) -> Vec<String> {
    let (_, claims) = parts(token);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let entries = claims["access"].as_array().expect("a list").iter();
    entries
        .map(|entry| {
            let actions: Vec<&str> =
                entry["actions"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
            format!("{}:{}:{}", text(&entry["type"]), text(&entry["name"]), actions.join(","))
        })
        .collect()
}

#[tokio::test]
async fn the_challenge_names_the_host_and_port_that_the_client_used() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server).await;
    for host in [server.host(), "registry.test".to_owned(), "registry.test:443".to_owned(), "[::1]:5000".to_owned()] {
        let answer = raw.ask(&format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(answer.status, 401);
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, format!("Bearer realm=\"https://{host}/auth/token\",service=\"portcullis\""));
        assert!(answer.body.contains("UNAUTHORIZED"), "{}", answer.body);
    }
    let path = "/v2/alice/app/blobs/uploads/";
    let answer =
        raw.ask(&format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", server.host())).await;
    let challenge = answer.header("www-authenticate");
    assert_eq!(parameter(challenge, "scope").as_deref(), Some("repository:alice/app:pull,push"), "{challenge}");
}

#[tokio::test]
async fn docker_login_asks_get_with_basic_and_gets_both_names_of_the_token() {
    let (_server, admin, _, anonymous) = Server::start_with_people().await;
    let path = "/auth/token?account=admin&client_id=docker&offline_token=true&service=portcullis";
    let response = admin.basic(Method::GET, path).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(body["token"], body["access_token"]);
    assert!(body["expires_in"].as_u64() >= Some(60), "{body}");
    assert_eq!(body["expires_in"], 300, "five minutes");
    assert!(body.get("issued_at").is_none() && body.get("refresh_token").is_none(), "{body}");
    let token = body["token"].as_str().expect("text");
    let ping = anonymous.with_token(Method::GET, "/v2/", token).send().await.expect("an answer");
    assert_eq!(ping.status(), StatusCode::OK);
    let narrow = anonymous.with_token(Method::GET, "/v2/nginx/tags/list", token).send().await.expect("an answer");
    let challenge = header(&narrow, "www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\"") && challenge.contains("repository:nginx:pull"));
}

#[tokio::test]
async fn scopes_may_be_repeated_and_separated_by_spaces_in_both_forms() {
    let (_server, _, alice, anonymous) = Server::start_with_people().await;
    let wanted = ["repository:alice/a:pull", "repository:alice/b:pull,push"];
    let (one, other) = (wanted[0], wanted[1]);
    let repeated = alice.token(&[one, other]).await.expect("a token");
    let spaced = alice.token(&[&wanted.join(" ")]).await.expect("a token");
    assert_eq!(access(&repeated), wanted);
    assert_eq!(access(&spaced), wanted);
    let login = [("grant_type", "password"), ("service", "portcullis"), ("client_id", "containerd-client")];
    let person = [("username", "alice"), ("password", ALICE_PASSWORD)];
    let spaced = wanted.join(" ");
    for scopes in [&[("scope", one), ("scope", other)][..], &[("scope", spaced.as_str())]] {
        let (status, body) = form(&anonymous, &[&login[..], &person, scopes].concat()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["token"], body["access_token"]);
        assert_eq!(body["scope"], spaced);
        assert_eq!(access(body["token"].as_str().expect("text")), wanted);
    }
    // What is not granted is left out, not refused; `*` is everything; a name may hold a port.
    let token = alice.token(&["repository:bob/x:pull", "repository:alice/c:*", "nonsense", "a:b:c:pull"]).await;
    assert_eq!(access(&token.expect("a token")), ["repository:alice/c:pull,push,delete"]);
}

#[tokio::test]
async fn wrong_credentials_are_refused_in_every_form() {
    let server = Server::start_with("[auth]\nfailures_per_address = 0\n").await;
    server.add_user("alice", ALICE_PASSWORD);
    let (admin, anonymous) = (server.actor("admin", ADMIN_PASSWORD), server.anonymous());
    server.run(&["grant", "add", "--to", "anonymous", "--on", "public/**", "--allow", "pull"]);
    Image::of("public").push(&admin, "public/app", "v1").await;
    eventually("the grant", async || anonymous.get("/v2/public/app/manifests/v1").await.status() == StatusCode::OK)
        .await;
    for (name, password) in [("alice", "wrong"), ("unknown", "wrong"), ("alice", "alice"), ("ALICE", ALICE_PASSWORD)] {
        let liar = server.actor(name, password);
        for path in ["/v2/", "/auth/token?scope=repository:public/app:pull", "/v2/public/app/manifests/v1"] {
            let response = liar.basic(Method::GET, path).send().await.expect("an answer");
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name} {path}");
        }
        let fields = [("grant_type", "password"), ("username", name), ("password", password)];
        assert_eq!(form(&anonymous, &fields).await.0, StatusCode::UNAUTHORIZED);
    }
    let ping = anonymous.bare(Method::GET, "/v2/").send().await.expect("an answer");
    assert_eq!(ping.status(), StatusCode::UNAUTHORIZED, "the ping asks for a login all the same");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "docker")];
    assert_eq!(form(&anonymous, &refresh).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn basic_is_taken_on_every_request_and_can_be_what_is_asked_for() {
    let mut server = Server::start().await;
    server.add_user("alice", ALICE_PASSWORD);
    Image::of("a").push(&server.actor("alice", ALICE_PASSWORD), "alice/app", "v1").await;
    server.stop().await;
    server.configure("[auth]\nchallenge = \"basic\"\n");
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    let refused = alice.bare(Method::GET, "/v2/").send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(header(&refused, "www-authenticate"), "Basic realm=\"portcullis\", charset=\"UTF-8\"");
    for path in ["/v2/", "/v2/alice/app/manifests/v1", "/v2/alice/app/tags/list", "/v2/_catalog"] {
        assert_eq!(alice.basic(Method::GET, path).send().await.expect("an answer").status(), StatusCode::OK, "{path}");
    }
    let token = alice.token(&["repository:alice/app:pull"]).await.expect("a token");
    let pulled = alice.with_token(Method::GET, "/v2/alice/app/manifests/v1", &token).send().await.expect("an answer");
    assert_eq!(pulled.status(), StatusCode::OK, "tokens are taken all the same");
}

#[tokio::test]
async fn tokens_are_signed_with_a_published_key_and_say_what_they_are_for() {
    let (_server, _, alice, anonymous) = Server::start_with_people().await;
    let token = alice.token(&["repository:alice/app:pull"]).await.expect("a token");
    let (head, claims) = parts(&token);
    assert_eq!((head["alg"].as_str(), head["typ"].as_str()), (Some("ES256"), Some("JWT")));
    assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some("portcullis"), Some("portcullis")));
    assert_eq!(claims["sub"], "user:alice");
    assert_eq!(claims["access"], json!([{"type": "repository", "name": "alice/app", "actions": ["pull"]}]));
    let lifetime = claims["exp"].as_i64().expect("a number") - claims["iat"].as_i64().expect("a number");
    assert_eq!(lifetime, 300);
    assert!(claims["jti"].is_string() && claims["nbf"].is_number());
    let jwks: Value = anonymous.get("/.well-known/jwks.json").await.json().await.expect("JSON");
    let keys = jwks["keys"].as_array().expect("a list");
    let key = keys.iter().find(|key| key["kid"] == head["kid"]).expect("the key is published");
    assert!(keys.iter().all(|key| key.get("d").is_none()), "and nothing private");
    let decoding = jsonwebtoken::DecodingKey::from_ec_components(
        key["x"].as_str().expect("text"),
        key["y"].as_str().expect("text"),
    );
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&["portcullis"]);
    jsonwebtoken::decode::<Value>(&token, &decoding.expect("a key"), &validation).expect("anybody can verify it");
}

#[tokio::test]
async fn what_ends_a_person_ends_password_and_tokens_within_a_second() {
    let (server, admin, ..) = Server::start_with_people().await;
    server.run(&["grant", "add", "--to", "authenticated", "--on", "team/**", "--allow", "pull"]);
    Image::of("team").push(&admin, "team/x", "v1").await;
    let endings: [(&str, &[&str]); 3] = [
        ("carol", &["user", "passwd", "carol", "--password-stdin"]),
        ("dave", &["user", "disable", "dave"]),
        ("erin", &["user", "remove", "erin"]),
    ];
    for (name, ending) in endings {
        server.add_user(name, "the old password");
        let person = server.actor(name, "the old password");
        let token = person.token(&["repository:team/x:pull"]).await.expect("a token");
        let pull = async || {
            let request = person.with_token(Method::GET, "/v2/team/x/manifests/v1", &token);
            request.send().await.expect("an answer").status()
        };
        eventually("the user counts", async || pull().await == StatusCode::OK).await;
        assert_eq!(person.basic(Method::GET, "/v2/").send().await.expect("an answer").status(), StatusCode::OK);
        server.run_with_input(ending, "the new password");
        eventually("the token is refused", async || pull().await == StatusCode::UNAUTHORIZED).await;
        assert!(person.token(&[]).await.is_none(), "{name}'s password is refused");
        let basic = person.basic(Method::GET, "/v2/").send().await.expect("an answer");
        assert_eq!(basic.status(), StatusCode::UNAUTHORIZED);
    }
    assert!(server.actor("carol", "the new password").token(&[]).await.is_some());
    server.run(&["user", "enable", "dave"]);
    assert!(server.actor("dave", "the old password").token(&[]).await.is_some(), "enabled again");
    // A namesake of someone who was removed inherits no token.
    let old = server.actor("erin", "the old password");
    assert!(old.token(&[]).await.is_none());
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let (server, _, alice, anonymous) = Server::start_with_people().await;
    Image::of("a").push(&alice, "alice/app", "v1").await;
    let token = alice.token(&["repository:alice/app:pull"]).await.expect("a token");
    let key = TokenKey::of(&server).await;
    let (_, claims) = parts(&token);
    let ask = async |token: &str| {
        let request = anonymous.with_token(Method::GET, "/v2/alice/app/manifests/v1", token);
        request.send().await.expect("an answer")
    };
    assert_eq!(ask(&key.sign(&claims)).await.status(), StatusCode::OK, "signed again, it is the same");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = claims.clone();
        change(&mut changed);
        key.sign(&changed)
    };
    let now = claims["iat"].as_i64().expect("a number");
    let mut forged = vec![
        with(&|claims| claims["iss"] = "other".into()),
        with(&|claims| claims["aud"] = "other".into()),
        with(&|claims| claims["aud"] = json!(["portcullis", "other"])),
        with(&|claims| claims["sub"] = "user:unknown".into()),
        with(&|claims| claims["sub"] = "admin".into()),
        with(&|claims| claims["exp"] = (now - 120).into()),
        with(&|claims| claims["exp"] = "never".into()),
        with(&|claims| claims["nbf"] = (now + 600).into()),
        with(&|claims| claims["epoch"] = 99.into()),
        with(&|claims| claims["access"] = "all".into()),
    ];
    for claim in ["iss", "aud", "sub", "exp", "nbf", "iat", "access", "epoch"] {
        forged.push(with(&|claims| {
            claims.as_object_mut().expect("an object").remove(claim);
        }));
    }
    let [head, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    forged.extend([
        format!("{head}.{payload}."),
        format!("{head}.{payload}"),
        format!("{head}.{payload}.{}", signature.chars().rev().collect::<String>()),
        format!("{}.{payload}.", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"),
        ADMIN_PASSWORD.replace(' ', "."),
        "x".repeat(20_000),
        String::new(),
    ]);
    let mut named = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    named.kid = Some("someone else's".to_owned());
    forged.push(key.sign_as(&named, &claims));
    named.kid = Some(key.kid().to_owned());
    named.jku = Some("https://elsewhere.test/keys".to_owned());
    forged.push(key.sign_as(&named, &claims));
    for token in forged {
        let response = ask(&token).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{:?}", token.get(..200).unwrap_or(&token));
    }
}

#[tokio::test]
async fn a_refresh_token_stands_for_the_password_until_the_user_changes() {
    let mut server = Server::start_with("[auth]\nrefresh_token_lifetime = \"30d\"\n").await;
    server.add_user("alice", ALICE_PASSWORD);
    let alice = server.actor("alice", ALICE_PASSWORD);
    // As `docker login` asks, and as containerd would.
    let login =
        alice.basic(Method::GET, "/auth/token?account=alice&client_id=docker&offline_token=true&service=portcullis");
    let kept: Value = login.send().await.expect("an answer").json().await.expect("JSON");
    let kept = kept["refresh_token"].as_str().expect("a refresh token").to_owned();
    let password = [("grant_type", "password"), ("username", "alice"), ("password", ALICE_PASSWORD)];
    let (_, online) = form(&alice, &password).await;
    assert_eq!(online["refresh_token"], Value::Null, "no one asked for one");
    let (_, offline) = form(&alice, &[&password[..], &[("access_type", "offline")]].concat()).await;
    let other = offline["refresh_token"].as_str().expect("a refresh token").to_owned();
    assert_ne!(kept, other);
    let anonymous = alice.bare(Method::GET, "/auth/token?offline_token=true").send().await.expect("an answer");
    assert_eq!(anonymous.json::<Value>().await.expect("JSON")["refresh_token"], Value::Null);

    let exchange = |token: &str| {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", "repository:alice/app:pull,push")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()));
        alice.bare(Method::POST, "/auth/token").form(&form)
    };
    for _ in 0..2 {
        let answer = exchange(&kept).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let token = answer.json::<Value>().await.expect("JSON")["token"].as_str().expect("a token").to_owned();
        let opened = alice.with_token(Method::POST, "/v2/alice/app/blobs/uploads/", &token).send().await;
        assert_eq!(opened.expect("an answer").status(), StatusCode::ACCEPTED);
    }
    // Neither it nor its hash is good for anything else.
    let bearer = alice.with_token(Method::GET, "/v2/", &kept).send().await.expect("an answer");
    assert_eq!(bearer.status(), StatusCode::UNAUTHORIZED);
    for wrong in [&kept[1..], &kept[..kept.len() - 1], &digest(kept.as_bytes())["sha256:".len()..], ""] {
        assert_eq!(exchange(wrong).send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED, "{wrong}");
    }
    assert!(!server.database().holds(&kept), "a dump has no usable secret");

    server.stop().await;
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    let still = async |token: &str| {
        form(&alice, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await.0 == StatusCode::OK
    };
    assert!(still(&kept).await && still(&other).await, "both outlive a restart");
    server.run_with_input(&["user", "passwd", "alice", "--password-stdin"], "another one");
    assert!(!still(&kept).await && !still(&other).await, "a new password ends them at once");
}

#[tokio::test]
async fn without_the_setting_there_are_no_refresh_tokens() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let login = alice.basic(Method::GET, "/auth/token?offline_token=true").send().await.expect("an answer");
    assert_eq!(login.json::<Value>().await.expect("JSON")["refresh_token"], Value::Null);
}
