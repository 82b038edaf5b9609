//! A private key under a passphrase: PKCS #8 with PBES2 (RFC 8018), scrypt (RFC 7914) and AES-256-CBC, as `openssl pkey` reads it.

use std::path::Path;

use pkcs8::pkcs5::{pbes2::Parameters, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::pki::certificate::private_key::{encrypted_key, private_key};
use crate::pki::error::PkiError;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// 16 MiB of memory, five times over: as much work as the usual advice asks for, in no more memory than openssl gives scrypt.
const COST: (u8, u32, u32) = (14, 8, 5);

/// Encrypts a key (PKCS #8 PEM).
pub(super) fn encrypt(pem: &[u8], passphrase: &str) -> Result<Zeroizing<String>, PkiError> {
    let refuse = |reason: String| PkiError::Encrypt { reason };
    let plain = private_key(Path::new("the root key"), pem).map_err(|error| refuse(error.to_string()))?;
    let key = PrivateKeyInfoRef::try_from(plain.secret_der()).map_err(|error| refuse(error.to_string()))?;
    let (log_n, r, p) = COST;
    let cost = scrypt::Params::new(log_n, r, p).map_err(|error| refuse(error.to_string()))?;
    let (salt, nonce) = (rand::random::<[u8; 16]>(), rand::random::<[u8; 16]>());
    let parameters = Parameters::generate_scrypt_aes256cbc(cost, &salt, nonce);
    let parameters = parameters.map_err(|error| refuse(error.to_string()))?;
    let encrypted = key.encrypt_with_params(parameters, passphrase).map_err(|error| refuse(error.to_string()))?;
    encrypted.to_pem(ENCRYPTED, LineEnding::LF).map_err(|error| refuse(error.to_string()))
}

/// Decrypts one; `path` is named in errors.
pub(super) fn decrypt(path: &Path, pem: &[u8], passphrase: &str) -> Result<Zeroizing<String>, PkiError> {
    let refuse = |reason: String| PkiError::Pem { path: path.to_owned(), what: "encrypted private key", reason };
    let item = encrypted_key(pem).map_err(refuse)?;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(item.der.as_slice());
    let encrypted = encrypted.map_err(|error| refuse(error.to_string()))?;
    let wrong = |_| PkiError::WrongPassphrase { path: path.to_owned() };
    // With a wrong passphrase the padding is wrong, or rarely what comes out is not a key.
    let plain = encrypted.decrypt(passphrase).map_err(wrong)?;
    PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(|_| PkiError::WrongPassphrase { path: path.to_owned() })?;
    plain.to_pem(PLAIN, LineEnding::LF).map_err(|error| refuse(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::pki::certificate::private_key::is_encrypted;

    #[test]
    fn openssl_opens_what_was_sealed() {
        let plain = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let sealed = encrypt(plain.as_bytes(), "a passphrase of some length").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sealed");
        std::fs::write(&path, sealed.as_bytes()).unwrap();
        let command = Command::new("openssl")
            .args(["pkey", "-passin", "stdin", "-in"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut command) = command else { return }; // No openssl on this machine.
        command.stdin.take().unwrap().write_all(b"a passphrase of some length\n").unwrap();
        let output = command.wait_with_output().unwrap();
        assert!(output.status.success());
        let opened = rcgen::KeyPair::from_pem(&String::from_utf8(output.stdout).unwrap()).unwrap();
        assert_eq!(opened.public_key_pem(), rcgen::KeyPair::from_pem(&plain).unwrap().public_key_pem());
    }

    #[test]
    fn only_the_right_passphrase_opens_it() {
        let plain = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let sealed = encrypt(plain.as_bytes(), "right").unwrap();
        assert!(is_encrypted(sealed.as_bytes()) && !is_encrypted(plain.as_bytes()));
        let path = Path::new("root.key.sealed");
        let opened = decrypt(path, sealed.as_bytes(), "right").unwrap();
        assert!(rcgen::KeyPair::from_pem(&opened).is_ok());
        let wrong = decrypt(path, sealed.as_bytes(), "wrong").unwrap_err().to_string();
        assert!(wrong.contains("the passphrase does not open root.key.sealed"), "{wrong}");
        assert!(decrypt(path, plain.as_bytes(), "right").is_err());
        assert!(encrypt(sealed.as_bytes(), "twice").is_err());
    }
}
