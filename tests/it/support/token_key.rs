//! The server's own signing key, taken from its data directory as only its owner can: so a test holds a token that the server
//! signed ten minutes ago, without waiting ten minutes, and a forgery that is right in everything but one claim.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value;

use super::Server;

pub struct TokenKey {
    kid: String,
    private: EncodingKey,
}

impl TokenKey {
    /// The key that the server signs with now.
    pub async fn of(server: &Server) -> Self {
        let store = server.database().open().await;
        let record = store.token_keys().await.expect("keys").into_iter().next().expect("a key");
        store.close().await.expect("closed");
        let seal = std::fs::read_to_string(server.data().join("keys/seal.key")).expect("the seal key");
        let seal = STANDARD.decode(seal.trim()).expect("base64");
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, &seal).expect("a key");
        let (nonce, body) = record.sealed[1..].split_at(12);
        let mut secret = body.to_vec();
        let context = Aad::from(format!("portcullis token key {}", record.kid));
        let nonce = Nonce::try_assume_unique_for_key(nonce).expect("a nonce");
        let length = cipher.open_in_place(nonce, context, &mut secret).expect("sealed with this key").len();
        Self { kid: record.kid, private: EncodingKey::from_ec_der(&secret[..length]) }
    }

    /// A token with these claims, signed as the server signs.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        self.sign_as(&header, claims)
    }

    /// The same with another header.
    pub fn sign_as(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.private).expect("a token")
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// The header of a token, and its claims.
pub fn parts(token: &str) -> (Value, Value) {
    let part = |index: usize| {
        let text = token.split('.').nth(index).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).expect("base64url")).expect("JSON")
    };
    (part(0), part(1))
}

/// The claims of a token, `seconds` older than they are.
pub fn aged(token: &str, seconds: i64) -> Value {
    let (_, mut claims) = parts(token);
    for claim in ["iat", "nbf", "exp"] {
        claims[claim] = (claims[claim].as_i64().expect("a number") - seconds).into();
    }
    claims
}
