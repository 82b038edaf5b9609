//! The private key in a PEM text: exactly one, of a kind that the TLS library signs with; any other kind is named.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::pem::{PemItem, PemText};
use crate::pki::error::PkiError;

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const SUPPORTED: &str = "use RSA (2048 to 8192 bits), ECDSA (P-256, P-384 or P-521) or Ed25519";

/// Kinds of keys by the object identifier that they carry, as it is encoded. Curves come before the identifier that all of them have in common.
const KINDS: [(&[u8], &str); 12] = [
    (b"\x06\x05\x2b\x81\x04\x00\x0a", "an ECDSA key on the curve secp256k1"),
    (b"\x06\x05\x2b\x81\x04\x00\x21", "an ECDSA key on the curve P-224"),
    (b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x01", "an ECDSA key on the curve P-192"),
    (b"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01", "an ECDSA key on a Brainpool curve"),
    (b"\x06\x08\x2a\x81\x1c\xcf\x55\x01\x82\x2d", "an SM2 key"),
    (b"\x06\x07\x2a\x86\x48\xce\x38\x04\x01", "a DSA key"),
    (b"\x06\x03\x2b\x65\x71", "an Ed448 key"),
    (b"\x06\x03\x2b\x65\x6e", "an X25519 key, which cannot sign"),
    (b"\x06\x03\x2b\x65\x6f", "an X448 key, which cannot sign"),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "an RSA-PSS key"),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", "an RSA key of a size that is not supported, or damaged"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", "an ECDSA key on a curve that is not supported, or damaged"),
];

/// Whether the one key of the text is under a passphrase. A text that cannot be read is told when the key is asked for.
pub(crate) fn is_encrypted(pem: &[u8]) -> bool {
    PemText::read(pem).is_ok_and(|text| text.items.iter().any(under_a_passphrase))
}

/// The key, as the TLS library signs with it; `path` is named in errors.
pub(crate) fn signing_key(path: &Path, pem: &[u8]) -> Result<Arc<dyn SigningKey>, PkiError> {
    let key = private_key(path, pem)?;
    let loaded = aws_lc_rs::default_provider().key_provider.load_private_key(key.clone_key());
    loaded.map_err(|error| PkiError::Pem {
        path: path.to_owned(),
        what: "private key",
        reason: kind_of(&key).map_or_else(|| error.to_string(), |kind| format!("it is {kind}; {SUPPORTED}")),
    })
}

/// The only private key of the text. Certificates next to it are passed over.
pub(crate) fn private_key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, PkiError> {
    let refuse = |reason: String| PkiError::Pem { path: path.to_owned(), what: "private key", reason };
    let item = only_key(pem).map_err(refuse)?;
    if under_a_passphrase(&item) {
        return Err(PkiError::KeyEncrypted { path: path.to_owned() });
    }
    let der = item.der.to_vec();
    match item.label.as_str() {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(der).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(der).into()),
        "OPENSSH PRIVATE KEY" => Err(refuse(
            "it is in the format of OpenSSH, which TLS does not use; on a copy: ssh-keygen -p -m PKCS8 -f COPY"
                .to_owned(),
        )),
        other => Err(refuse(format!("it is a {other}, which is not supported; {SUPPORTED}"))),
    }
}

/// The bytes of the only key, which must be under a passphrase (PKCS #8).
pub(crate) fn encrypted_key(pem: &[u8]) -> Result<PemItem, String> {
    let item = only_key(pem)?;
    if item.label == ENCRYPTED { Ok(item) } else { Err(format!("it is a {}, not an {ENCRYPTED}", item.label)) }
}

fn under_a_passphrase(item: &PemItem) -> bool {
    item.label == ENCRYPTED || (item.is_private_key() && item.encrypted)
}

fn only_key(pem: &[u8]) -> Result<PemItem, String> {
    let text = PemText::read(pem).map_err(|fault| fault.to_string())?;
    let mut keys = Vec::new();
    for item in text.items {
        if item.is_private_key() {
            keys.push(item);
        } else if item.label.ends_with("PUBLIC KEY") {
            return Err(format!("{} is the public half; give the file with the private key", item.label));
        } else if !item.is_certificate() && !item.is_parameters() {
            return Err(format!("{} does not belong there; leave the key alone in that file", item.label));
        }
    }
    match (keys.pop(), keys.len()) {
        (Some(key), 0) => Ok(key),
        (Some(_), more) => Err(format!("{} private keys; leave the certificate's alone", more + 1)),
        (None, _) => {
            Err("no BEGIN PRIVATE KEY line (a DER file is turned into PEM by: openssl pkey -inform der)".to_owned())
        }
    }
}

/// What the key is, where the TLS library does not take it.
fn kind_of(key: &PrivateKeyDer<'_>) -> Option<&'static str> {
    if matches!(key, PrivateKeyDer::Pkcs1(_)) {
        return Some("an RSA key of a size that is not supported, or damaged");
    }
    let der = key.secret_der();
    // The identifier is among the first bytes of PKCS #8; of SEC 1 it follows the private number.
    let found = |oid: &[u8]| der.windows(oid.len()).any(|window| window == oid);
    KINDS.iter().find(|(oid, _)| found(oid)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A key that openssl makes.
    fn made(arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("openssl").args(arguments).output().expect("openssl is installed");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn refusal(pem: &[u8]) -> String {
        signing_key(Path::new("server.key"), pem).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn every_supported_kind_is_taken_in_every_form() {
        for arguments in [
            &["genpkey", "-algorithm", "ed25519"][..],
            &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            &["genrsa", "-traditional", "2048"],
            &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            &["ecparam", "-name", "prime256v1", "-genkey"],
            &["ecparam", "-name", "secp521r1", "-genkey", "-noout"],
        ] {
            let pem = made(arguments);
            assert!(signing_key(Path::new("server.key"), &pem).is_ok(), "{arguments:?}");
            let marked = [b"\xef\xbb\xbf", &pem[..]].concat();
            assert!(signing_key(Path::new("server.key"), &marked).is_ok(), "{arguments:?} behind a byte order mark");
        }
    }

    #[test]
    fn other_kinds_are_named() {
        for (arguments, said) in [
            (&["genpkey", "-algorithm", "ed448"][..], "an Ed448 key"),
            (&["genpkey", "-algorithm", "x25519"], "cannot sign"),
            (&["ecparam", "-name", "secp256k1", "-genkey", "-noout"], "secp256k1"),
            (&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"], "Brainpool"),
            (&["genrsa", "1024"], "an RSA key of a size"),
            (&["genrsa", "-traditional", "1024"], "an RSA key of a size"),
        ] {
            let text = refusal(&made(arguments));
            assert!(text.contains(said) && text.contains("server.key") && text.contains("Ed25519"), "{text}");
        }
        let key = String::from_utf8(made(&["genpkey", "-algorithm", "ed25519"])).unwrap();
        for (label, said) in
            [("OPENSSH PRIVATE KEY", "ssh-keygen"), ("DSA PRIVATE KEY", "DSA"), ("PUBLIC KEY", "public half")]
        {
            let text = refusal(key.replace("PRIVATE KEY", label).as_bytes());
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn there_is_exactly_one() {
        let key = String::from_utf8(made(&["genpkey", "-algorithm", "ed25519"])).unwrap();
        assert!(refusal(format!("{}{key}", key.trim_end()).as_bytes()).contains("2 private keys"));
        assert!(refusal(b"").contains("no BEGIN PRIVATE KEY line"));
        let list = key.replace("PRIVATE KEY", "X509 CRL");
        assert!(refusal(format!("{key}{list}").as_bytes()).contains("X509 CRL does not belong there"));
    }
}
