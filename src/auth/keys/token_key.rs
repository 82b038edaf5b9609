//! One key that tokens are signed with: ECDSA on P-256, named by its RFC 7638 thumbprint.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};

use crate::auth::{AuthError, DataKey};
use crate::storage::metadata::TokenKeyRecord;

/// The one algorithm of our tokens.
pub(in crate::auth) const ALGORITHM: Algorithm = Algorithm::ES256;

/// A key, opened.
#[derive(Debug)]
pub(in crate::auth) struct TokenKey {
    /// The header of every token that it signs, exactly.
    pub(in crate::auth) header: Header,
    /// The private half.
    pub(in crate::auth) private: EncodingKey,
    /// The public half.
    pub(in crate::auth) public: DecodingKey,
    /// The public half as published.
    pub(in crate::auth) jwk: Jwk,
    /// When it begins to sign.
    pub(in crate::auth) signs_from: i64,
}

impl TokenKey {
    /// Makes a key that was published `now` and signs from `signs_from` on, encrypted for the database.
    pub(in crate::auth) fn generate(
        data_key: &DataKey,
        now: i64,
        signs_from: i64,
    ) -> Result<TokenKeyRecord, AuthError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| AuthError::Cryptography("generating a token key"))?;
        let jwk = Jwk::from_encoding_key(&EncodingKey::from_ec_der(pkcs8.as_ref()), ALGORITHM);
        let kid = jwk
            .and_then(|jwk| jwk.thumbprint(ThumbprintHash::SHA256))
            .map_err(|_| AuthError::Cryptography("naming a token key"))?;
        let sealed = data_key.encrypt(&kid, pkcs8.as_ref())?;
        Ok(TokenKeyRecord { kid, sealed, created_at: now, signs_from, signs_until: i64::MAX })
    }

    /// Opens a stored key, and makes sure that it is the one that its name says.
    pub(in crate::auth) fn open(record: &TokenKeyRecord, data_key: &DataKey) -> Result<Self, AuthError> {
        let unreadable = || AuthError::UnreadableTokenKey { kid: record.kid.clone() };
        let private = EncodingKey::from_ec_der(&data_key.decrypt(&record.kid, &record.sealed)?);
        let mut jwk = Jwk::from_encoding_key(&private, ALGORITHM).map_err(|_| unreadable())?;
        if jwk.thumbprint(ThumbprintHash::SHA256).ok().as_ref() != Some(&record.kid) {
            return Err(unreadable());
        }
        jwk.common.key_id = Some(record.kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let public = DecodingKey::from_jwk(&jwk).map_err(|_| unreadable())?;
        let mut header = Header::new(ALGORITHM);
        header.kid = Some(record.kid.clone());
        Ok(Self { header, private, public, jwk, signs_from: record.signs_from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_those_of_rfc_7638() {
        // RFC 7638, section 3.1.
        let jwk: Jwk = serde_json::from_str(concat!(
            r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi"#,
            r#"FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6"#,
            r#"qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnq"#,
            r#"DKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#
        ))
        .expect("a key");
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).expect("a thumbprint");
        assert_eq!(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn the_thumbprint_of_a_curve_key_hashes_its_members_in_order() {
        use base64::Engine;
        use sha2::Digest;
        // The key of RFC 7517, appendix A.1.
        let (x, y) = ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
        let jwk: Jwk =
            serde_json::from_str(&format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","use":"enc","kid":"1"}}"#))
                .expect("a key");
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let expected = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(canonical));
        assert_eq!(jwk.thumbprint(ThumbprintHash::SHA256).expect("a thumbprint"), expected);
    }

    #[test]
    fn a_key_opens_under_its_own_name_and_data_key_only() {
        let data_key = DataKey::generate();
        let record = TokenKey::generate(&data_key, 1, 2).expect("a key");
        let key = TokenKey::open(&record, &data_key).expect("opened");
        assert_eq!(key.header.kid.as_deref(), Some(record.kid.as_str()));
        let published = serde_json::to_value(&key.jwk).expect("JSON");
        let members: Vec<&str> = published.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"], "and nothing private");
        assert!(TokenKey::open(&record, &DataKey::generate()).is_err());
        let other = TokenKey::generate(&data_key, 1, 2).expect("a key");
        assert!(TokenKey::open(&TokenKeyRecord { kid: other.kid, ..record }, &data_key).is_err());
        assert!(!format!("{key:?}").contains("content: ["), "{key:?}");
    }
}
