//! Tokens that must pass, and many that must not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::*;
use crate::auth::DataKey;
use crate::auth::keys::TokenKey;

const NOW: i64 = 1_800_000_000;

struct Mint {
    tokens: AccessTokens,
    ring: KeyRing,
    foreign: KeyRing,
}

impl Mint {
    fn new() -> Self {
        let data_key = DataKey::generate();
        let ring = || KeyRing::open(vec![TokenKey::generate(&data_key, NOW, NOW).expect("a key")], &data_key);
        Self { tokens: AccessTokens::new(&AuthSettings::for_tests()), ring: ring(), foreign: ring() }
    }

    fn key(&self) -> &TokenKey {
        self.ring.signing(NOW).expect("a key")
    }

    fn header(&self) -> Value {
        serde_json::to_value(&self.key().header).expect("JSON")
    }

    /// Signs anything with our own key.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        signed(header, claims, &self.key().private, Algorithm::ES256)
    }

    fn sign_claims(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }

    fn verify(&self, token: &str) -> Result<Arc<VerifiedToken>, InvalidToken> {
        self.verify_at(token, NOW)
    }

    fn verify_at(&self, token: &str, now: i64) -> Result<Arc<VerifiedToken>, InvalidToken> {
        self.tokens.verify(&self.ring, token, now)
    }

    fn issue(&self, scope: &str) -> String {
        let scopes = Scope::parse_all(std::iter::once(scope));
        self.tokens.issue(&self.ring, &alice(), &scopes, NOW).expect("a token").token
    }

    fn refuse(&self, what: &str, token: &str) {
        assert_eq!(self.verify(token).err(), Some(InvalidToken), "{what}: {token}");
    }
}

fn alice() -> Principal {
    Principal::User { name: "alice".parse().expect("a name"), admin: false, epoch: 7 }
}

fn claims() -> Value {
    json!({
        "iss": "portcullis.test", "sub": "user:alice", "aud": "registry.test:5000",
        "exp": NOW + 300, "nbf": NOW, "iat": NOW, "jti": "1", "epoch": 7,
        "access": [{"type": "repository", "name": "alice/app", "actions": ["pull"]}],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().expect("an object").remove(name);
    object
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).expect("a signature");
    format!("{message}.{signature}")
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

#[test]
fn what_is_issued_has_the_documented_form_and_verifies() {
    let mint = Mint::new();
    let token = mint.issue("repository:alice/app:pull,push registry:catalog:*");
    let parts: Vec<&str> = token.split('.').collect();
    let kid = mint.key().header.kid.clone();
    assert_eq!(decoded(parts[0]), json!({"typ": "JWT", "alg": "ES256", "kid": kid}));
    let mut written = decoded(parts[1]);
    assert!(written["jti"].as_str().is_some_and(|jti| jti.len() == 36));
    written["jti"] = json!("1");
    let mut expected = claims();
    expected["access"] = json!([
        {"type": "registry", "name": "catalog", "actions": ["*"]},
        {"type": "repository", "name": "alice/app", "actions": ["pull", "push"]},
    ]);
    assert_eq!(written, expected);
    let verified = mint.verify(&token).expect("ours");
    assert_eq!(verified.user, Some(("alice".parse().expect("a name"), 7)));
    assert!(verified.scope.covers_catalog() && !verified.is_expired(NOW));
    let issued = mint.tokens.issue(&mint.ring, &Principal::Anonymous, &[], NOW).expect("a token");
    assert_eq!(mint.verify(&issued.token).expect("ours").user, None);
    assert!(!format!("{issued:?}").contains(&issued.token) && issued.expires_in == Duration::from_mins(5));
    assert!(mint.verify(&mint.sign_claims(&claims())).is_ok(), "the tests below start from a good token");
}

#[test]
fn the_largest_token_that_can_be_asked_for_still_verifies() {
    let mint = Mint::new();
    let long = |n: usize| format!("repository:{n:02}{}:*", "a".repeat(253));
    let asked: Vec<String> = (0..32).map(long).collect();
    let token = mint.issue(&asked.join(" "));
    assert!(token.len() > 8 * 1024 && mint.verify(&token).is_ok(), "{}", token.len());
}

#[test]
fn times_have_a_leeway_and_uploads_a_day() {
    let mint = Mint::new();
    let token = mint.sign_claims(&claims());
    let expired = |token: &str, now: i64| mint.verify_at(token, now).map(|verified| verified.is_expired(now));
    let end = NOW + 300;
    for _cached in 0..2 {
        assert_eq!(expired(&token, end + LEEWAY), Ok(false));
        assert_eq!(expired(&token, end + LEEWAY + 1), Ok(true));
        assert_eq!(expired(&token, end + EXPIRED_GRACE), Ok(true));
        assert_eq!(expired(&token, end + EXPIRED_GRACE + 1), Err(InvalidToken));
    }
    let early = Mint::new();
    let token = early.sign_claims(&claims());
    assert!(early.verify_at(&token, NOW - LEEWAY - 1).is_err());
    assert!(early.verify_at(&token, NOW - LEEWAY).is_ok());
    assert!(early.verify_at(&early.sign_claims(&with("exp", json!(NOW - 2 * EXPIRED_GRACE))), NOW).is_err());
}

#[test]
fn a_key_that_is_gone_verifies_nothing_from_memory_either() {
    let mint = Mint::new();
    let token = mint.issue("repository:alice/app:pull");
    assert!(mint.verify(&token).is_ok());
    assert_eq!(mint.tokens.verify(&mint.foreign, &token, NOW).err(), Some(InvalidToken));
    assert_eq!(mint.tokens.verify(&KeyRing::default(), &token, NOW).err(), Some(InvalidToken));
}

#[test]
fn claims_are_required_and_typed() {
    let mint = Mint::new();
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "access", "epoch"] {
        mint.refuse(name, &mint.sign_claims(&without(claims(), name)));
        for wrong in [json!(null), json!({}), json!(true), json!([[]]), json!(-1.5)] {
            mint.refuse(name, &mint.sign_claims(&with(name, wrong)));
        }
    }
    for name in ["exp", "nbf", "iat", "epoch"] {
        for wrong in [json!("1800000000"), json!(1.8e9), json!([NOW]), json!(u64::MAX), json!(1e300), json!("")] {
            mint.refuse(name, &mint.sign_claims(&with(name, wrong)));
        }
    }
    for name in ["iss", "aud", "sub"] {
        for wrong in [json!("other"), json!(""), json!(1), json!(["registry.test:5000", "portcullis.test"])] {
            mint.refuse(name, &mint.sign_claims(&with(name, wrong)));
        }
    }
    mint.refuse("aud as a list", &mint.sign_claims(&with("aud", json!(["registry.test:5000"]))));
    mint.refuse("iss as a list", &mint.sign_claims(&with("iss", json!(["portcullis.test"]))));
    for (name, seconds) in [("nbf", LEEWAY + 1), ("iat", LEEWAY + 1), ("nbf", 10_000), ("iat", 10_000)] {
        mint.refuse("from the future", &mint.sign_claims(&with(name, json!(NOW + seconds))));
    }
    for extreme in [i64::MIN, -1, 0] {
        mint.refuse("long ago", &mint.sign_claims(&with("exp", json!(extreme))));
    }
    for subject in ["alice", "user:", "user:Alice", "user:a/b", "robot:alice", "anonymous", "User:alice", "user:alice "]
    {
        mint.refuse("subject", &mint.sign_claims(&with("sub", json!(subject))));
    }
    mint.refuse("anonymous without", &mint.sign_claims(&without(with("sub", json!("Anonymous")), "epoch")));
    for access in [json!("repository:a:pull"), json!([1]), json!([{"type": "repository"}]), json!({"0": []})] {
        mint.refuse("access", &mint.sign_claims(&with("access", access)));
    }
}

#[test]
fn headers_cannot_bring_a_key_or_another_algorithm() {
    let mint = Mint::new();
    let foreign = mint.foreign.signing(NOW).expect("a key");
    let jwk = serde_json::to_value(&foreign.jwk).expect("JSON");
    let extras = [
        ("jwk", jwk),
        ("jku", json!("https://evil.test/keys")),
        ("x5u", json!("https://evil.test/chain")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AA")),
        ("x5t#S256", json!("AA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
        ("url", json!("https://registry.test")),
        ("nonce", json!("1")),
        ("anything", json!(1)),
    ];
    for (name, value) in extras {
        let mut header = mint.header();
        header[name] = value;
        mint.refuse(name, &mint.sign(&header, &claims()));
        mint.refuse(name, &signed(&header, &claims(), &foreign.private, Algorithm::ES256));
    }
    for kid in [json!(null), json!(""), json!(1), json!("../../key"), json!("' OR 1=1"), json!(foreign.header.kid)] {
        let mut header = mint.header();
        header["kid"] = kid;
        mint.refuse("kid", &mint.sign(&header, &claims()));
        mint.refuse("kid", &signed(&header, &claims(), &foreign.private, Algorithm::ES256));
    }
    for typ in [json!(null), json!("jwt"), json!("at+jwt"), json!(1)] {
        let mut header = mint.header();
        header["typ"] = typ;
        mint.refuse("typ", &mint.sign(&header, &claims()));
    }
    for name in ["typ", "alg", "kid"] {
        mint.refuse(name, &mint.sign(&without(mint.header(), name), &claims()));
    }
}

#[test]
fn no_other_algorithm_and_no_other_key_signs() {
    let mint = Mint::new();
    let public = mint.key().public.clone();
    let published = mint.key().jwk.clone();
    let secrets: Vec<Vec<u8>> = vec![
        public.try_get_as_bytes().expect("bytes").to_vec(),
        serde_json::to_vec(&published).expect("JSON"),
        Vec::new(),
        b"secret".to_vec(),
    ];
    for (name, algorithm) in [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
        for secret in &secrets {
            let mut header = mint.header();
            header["alg"] = json!(name);
            let token = signed(&header, &claims(), &EncodingKey::from_secret(secret), algorithm);
            mint.refuse(name, &token);
            // The same with the header of an honest token.
            let (_, signature) = token.rsplit_once('.').expect("three parts");
            mint.refuse(name, &format!("{}.{}.{signature}", part(&mint.header()), part(&claims())));
        }
    }
    let ours = mint.sign_claims(&claims());
    let (_, signature) = ours.rsplit_once('.').expect("three parts");
    for name in ["none", "None", "NONE", "nOnE", "", "ES384", "ES512", "ES256K", "RS256", "PS256", "EdDSA", "es256"] {
        let mut header = mint.header();
        header["alg"] = json!(name);
        for signature in ["", "AA", signature] {
            mint.refuse(name, &format!("{}.{}.{signature}", part(&header), part(&claims())));
        }
        mint.refuse(name, &format!("{}.{}", part(&header), part(&claims())));
    }
    let foreign = mint.foreign.signing(NOW).expect("a key");
    mint.refuse("another key", &signed(&mint.header(), &claims(), &foreign.private, Algorithm::ES256));
    mint.refuse(
        "its own name",
        &signed(&serde_json::to_value(&foreign.header).expect("JSON"), &claims(), &foreign.private, Algorithm::ES256),
    );
    // The two zero signatures that broken verifiers accept (CVE-2022-21449).
    for zero in [vec![0u8; 64], vec![0u8; 0]] {
        let signature = URL_SAFE_NO_PAD.encode(zero);
        mint.refuse("zero", &format!("{}.{}.{signature}", part(&mint.header()), part(&claims())));
    }
}

#[test]
fn every_change_of_a_character_is_noticed() {
    let mint = Mint::new();
    let token = mint.sign_claims(&claims());
    for position in 0..token.len() {
        let mut forged = token.clone().into_bytes();
        forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
        mint.refuse("changed", std::str::from_utf8(&forged).expect("ASCII"));
    }
    for position in (0..token.len()).step_by(7) {
        mint.refuse("cut", &token[..position]);
        mint.refuse("cut", &token[position + 1..]);
    }
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    for odd in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}="),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{token}.{signature}"),
        format!("{message}."),
        format!("{message}.{signature}{signature}"),
        "é.é.é".to_owned(),
        "\0".to_owned(),
        "a".repeat(1_000_000),
    ] {
        mint.refuse("odd", &odd);
    }
}

#[test]
fn claims_written_twice_are_refused() {
    let mint = Mint::new();
    let twice = claims().to_string().replacen('{', r#"{"sub":"user:root","#, 1);
    let message = format!("{}.{}", part(&mint.header()), URL_SAFE_NO_PAD.encode(twice));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &mint.key().private, Algorithm::ES256);
    mint.refuse("twice", &format!("{message}.{}", signature.expect("a signature")));
}
