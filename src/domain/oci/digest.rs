//! A content digest: what a blob or manifest is, whatever it is called.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER;

/// The hash functions that this registry stores content under
/// (OCI image specification, "Registered algorithms").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, the default.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// `algorithm:hex`, valid by construction: a known algorithm and the right count of lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    /// The whole of it, as it is written.
    text: Arc<str>,
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    /// The part before the colon names no algorithm known here.
    #[error("the digest algorithm is not supported; use sha256 or sha512")]
    UnknownAlgorithm,
    /// The part after the colon has the wrong length or characters.
    #[error("a digest is 'sha256:' and 64, or 'sha512:' and 128, lower-case hexadecimal digits")]
    Malformed,
}

impl Algorithm {
    /// The name before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits a digest has.
    pub const fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl FromStr for Algorithm {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(InvalidDigest::UnknownAlgorithm),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Digest {
    /// The digest whose hash value is `bytes`. The caller passes the output of `algorithm`, whose length is right.
    pub(in crate::domain) fn from_hash(algorithm: Algorithm, bytes: &[u8]) -> Self {
        debug_assert_eq!(bytes.len() * 2, algorithm.hex_length());
        Self { algorithm, text: format!("{algorithm}:{}", HEXLOWER.encode_display(bytes)).into() }
    }

    /// The hash function.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// As it is written, `sha256:3f9a...`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The lower-case hexadecimal digits after the colon: safe as a file name.
    pub fn hex(&self) -> &str {
        &self.text[self.algorithm.as_str().len() + 1..]
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (algorithm, hex) = text.split_once(':').ok_or(InvalidDigest::Malformed)?;
        let algorithm: Algorithm = algorithm.parse()?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() == algorithm.hex_length() && hex.bytes().all(is_hex) {
            Ok(Self { algorithm, text: text.into() })
        } else {
            Err(InvalidDigest::Malformed)
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_the_way_there_and_back() {
        for text in [format!("sha256:{}", "0a".repeat(32)), format!("sha512:{}", "f9".repeat(64))] {
            assert_eq!(text.parse::<Digest>().map(|d| d.to_string()), Ok(text));
        }
    }

    #[test]
    fn what_is_malformed_or_unknown_is_told_apart() {
        let a64 = "a".repeat(64);
        assert_eq!(format!("md5:{a64}").parse::<Digest>(), Err(InvalidDigest::UnknownAlgorithm));
        for text in [
            a64.clone(),
            "sha256:".to_owned(),
            format!("sha256:{}", "A".repeat(64)),
            format!("sha256:{a64}a"),
            format!("sha512:{a64}"),
            format!("sha256:{}/", "a".repeat(63)),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(InvalidDigest::Malformed), "{text}");
        }
    }
}
