//! Argon2id: making and checking the hashes of passwords. CPU-bound; `throttle::verification` calls it off the asynchronous threads.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};

use super::bcrypt_hash;
use crate::auth::Secret;

/// What a password for an unknown account is verified against, so that it takes as long as for a known one. No password is known to match
/// it, and one that did would be refused all the same.
pub(in crate::auth) const UNKNOWN_ACCOUNT_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Tm8gdXNlciBhdCBhbGwuLg$Tm9ib2R5IGtub3dzIHdoYXQgaGFzaGVzIHRvIHRoaXM";

/// The most that a stored hash may cost: 64 MiB, 8 passes, 4 lanes. A row beyond that is damage or malice.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
const MAX_PASSES: u32 = 8;
const MAX_LANES: u32 = 4;

/// Hashes a password with Argon2id (19 MiB, 2 passes, 1 lane) and a random salt; the result is a PHC string. Takes about 30 ms.
///
/// # Panics
/// When the operating system has no randomness.
pub(crate) fn hash_password(password: &Secret) -> String {
    let salt: [u8; 16] = rand::random();
    hasher()
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .expect("the default parameters are valid, and the lengths of salt and password are within limits")
        .to_string()
}

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) enum PasswordOutcome {
    /// Not the password.
    Wrong,
    /// The password.
    Right {
        /// A new hash of it, if the stored one was made with other parameters than today's.
        rehashed: Option<String>,
    },
}

/// A stored hash that cannot be used: damaged, of another algorithm, or too expensive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) struct UnusableHash;

/// Checks a password against a stored hash, in constant time.
pub(in crate::auth) fn verify(password: &Secret, stored: &str) -> Result<PasswordOutcome, UnusableHash> {
    if bcrypt_hash::is_bcrypt(stored) {
        return verify_imported(password, stored);
    }
    let hash = PasswordHash::new(stored).map_err(|_| UnusableHash)?;
    let params = Params::try_from(&hash).map_err(|_| UnusableHash)?;
    let is_current_kind = hash.algorithm == Algorithm::Argon2id.ident() && hash.version == Some(Version::V0x13.into());
    let affordable = params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_PASSES && params.p_cost() <= MAX_LANES;
    let is_complete = hash.salt.is_some() && hash.hash.is_some();
    if !is_current_kind || !affordable || !is_complete {
        return Err(UnusableHash);
    }
    if hasher().verify_password(password.expose().as_bytes(), &hash).is_err() {
        return Ok(PasswordOutcome::Wrong);
    }
    let today = Params::DEFAULT;
    let outdated =
        (params.m_cost(), params.t_cost(), params.p_cost()) != (today.m_cost(), today.t_cost(), today.p_cost());
    Ok(PasswordOutcome::Right { rehashed: outdated.then(|| hash_password(password)) })
}

/// A hash from elsewhere. A wrong password takes as long as it does for every other account, and a little longer.
fn verify_imported(password: &Secret, stored: &str) -> Result<PasswordOutcome, UnusableHash> {
    if bcrypt_hash::is_password_of(password, stored)? {
        return Ok(PasswordOutcome::Right { rehashed: Some(hash_password(password)) });
    }
    let _ = verify(password, UNKNOWN_ACCOUNT_HASH);
    Ok(PasswordOutcome::Wrong)
}

/// Whether it is the password that was hashed.
pub(crate) fn is_password_of(password: &Secret, stored: &str) -> bool {
    matches!(verify(password, stored), Ok(PasswordOutcome::Right { .. }))
}

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

#[cfg(test)]
pub(in crate::auth) fn hash_with(password: &Secret, memory_kib: u32, passes: u32, lanes: u32) -> String {
    let params = Params::new(memory_kib, passes, lanes, None).expect("valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.expose().as_bytes(), b"0123456789abcdef")
        .expect("valid")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text).expect("short")
    }

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let hash = hash_password(&secret("hunter2"));
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hash_password(&secret("hunter2")));
        assert_eq!(verify(&secret("hunter2"), &hash), Ok(PasswordOutcome::Right { rehashed: None }));
        assert_eq!(verify(&secret("hunter3"), &hash), Ok(PasswordOutcome::Wrong));
        assert_eq!(verify(&secret(""), &hash), Ok(PasswordOutcome::Wrong));
    }

    #[test]
    fn the_hash_of_unknown_accounts_costs_as_much_as_any() {
        assert_eq!(verify(&secret("hunter2"), UNKNOWN_ACCOUNT_HASH), Ok(PasswordOutcome::Wrong));
    }

    #[test]
    fn other_parameters_are_renewed() {
        let old = hash_with(&secret("hunter2"), 64, 1, 1);
        let Ok(PasswordOutcome::Right { rehashed: Some(new) }) = verify(&secret("hunter2"), &old) else {
            panic!("not renewed")
        };
        assert_eq!(verify(&secret("hunter2"), &new), Ok(PasswordOutcome::Right { rehashed: None }));
        assert_eq!(verify(&secret("wrong"), &old), Ok(PasswordOutcome::Wrong));
    }

    #[test]
    fn damaged_and_expensive_hashes_are_refused() {
        let (salt, output) = ("c29tZXNhbHRzb21lc2FsdA", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
        for prefix in [
            "$argon2id$v=19$m=4194304,t=2,p=1",
            "$argon2id$v=19$m=19456,t=4000000,p=1",
            "$argon2id$v=19$m=19456,t=2,p=64",
            "$argon2i$v=19$m=19456,t=2,p=1",
            "$argon2d$v=19$m=19456,t=2,p=1",
            "$argon2id$v=16$m=19456,t=2,p=1",
            "$argon2id$m=19456,t=2,p=1",
            "$scrypt$ln=1",
        ] {
            assert_eq!(verify(&secret("x"), &format!("{prefix}${salt}${output}")), Err(UnusableHash), "{prefix}");
        }
        for text in
            ["", "$", "hunter2", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1", "$2y$05$abcdefghijklmnopqrstuu"]
        {
            assert_eq!(verify(&secret("x"), text), Err(UnusableHash), "{text}");
        }
    }
}
