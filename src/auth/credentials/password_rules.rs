//! Which passwords a person may choose. Passwords that were set before these rules existed continue to work.
//!
//! Length decides, and that it is not among the first that are guessed (NIST SP 800-63B, section 3.1.1.2): one of a list, a word of the
//! trade with digits and marks around it, the user's own name, or one short piece again and again. No rules about kinds of characters.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::refresh_token::is_refresh_token;
use crate::auth::Secret;
use crate::domain::AccountName;

/// The least number of characters.
const LEAST_PASSWORD_LENGTH: usize = 10;
/// A piece up to this many characters, repeated, makes no password.
const LONGEST_PIECE: usize = 4;

/// What is guessed first, of enough characters, in lower case.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());
/// Words that make no password with digits and marks around them, however many. Written as [`plain`] writes them.
const WORDS: [&str; 24] = [
    "abc",
    "admin",
    "administrator",
    "changeit",
    "changeme",
    "default",
    "docker",
    "dragon",
    "iloveyou",
    "letmein",
    "login",
    "master",
    "monkey",
    "pass",
    "password",
    "passwort",
    "portcullis",
    "qwerty",
    "qwertz",
    "registry",
    "root",
    "secret",
    "test",
    "welcome",
];

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WeakPassword {
    /// It is too short.
    #[error("the password is too short: choose at least {LEAST_PASSWORD_LENGTH} characters")]
    Short,
    /// It is among the first to be guessed.
    #[error("the password is one of the first that are guessed: choose another")]
    Common,
    /// It is made of the user's name.
    #[error("the password is made of the user's own name: choose another")]
    OwnName,
    /// It would be taken for a refresh token.
    #[error("the password has the form of a refresh token: choose another")]
    Token,
}

/// Whether the user of this name may choose the password.
pub(crate) fn check_chosen_password(name: &AccountName, password: &Secret) -> Result<(), WeakPassword> {
    let text = password.expose();
    if text.chars().count() < LEAST_PASSWORD_LENGTH {
        return Err(WeakPassword::Short);
    }
    if is_refresh_token(text) {
        return Err(WeakPassword::Token);
    }
    let lower = text.to_lowercase();
    let core = plain(lower.trim_matches(|c: char| !c.is_alphabetic() && c != '@' && c != '$'));
    let own = plain(name.as_str());
    if is_repeated(&lower, name.as_str()) || core == own {
        return Err(WeakPassword::OwnName);
    }
    let repeats = (1..=LONGEST_PIECE).filter_map(|length| lower.get(..length)).any(|piece| is_repeated(&lower, piece));
    let word = WORDS.iter().any(|word| core == *word || is_repeated(&core, word));
    if repeats || word || COMMON.contains(lower.as_str()) { Err(WeakPassword::Common) } else { Ok(()) }
}

/// Whether `text` is `piece` again and again, the last time perhaps cut short.
fn is_repeated(text: &str, piece: &str) -> bool {
    !piece.is_empty() && text.len() >= piece.len() && piece.bytes().cycle().zip(text.bytes()).all(|(a, b)| a == b)
}

/// Letters as they were before someone wrote digits and marks instead.
fn plain(text: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, password: &str) -> Result<(), WeakPassword> {
        check_chosen_password(&name.parse().expect("a name"), &Secret::new(password).expect("short"))
    }

    #[test]
    fn the_length_counts_characters() {
        assert_eq!(check("alice", "k4$Jq.x9z"), Err(WeakPassword::Short));
        assert_eq!(check("alice", "k4$Jq.x9zW"), Ok(()));
        assert_eq!(check("alice", "äöüßéèñç¿"), Err(WeakPassword::Short));
        assert_eq!(check("alice", "äöüßéèñç¿¡"), Ok(()));
        assert_eq!(check("alice", ""), Err(WeakPassword::Short));
    }

    #[test]
    fn what_is_guessed_first_is_refused_in_every_dress() {
        for password in [
            "1234567890",
            "Qwertyuiop",
            "1Q2W3E4R5T",
            "password123",
            "P@ssw0rd123!",
            "Password2026!",
            "!!welcome2026",
            "passwordpassword",
            "aaaaaaaaaaaa",
            "1212121212",
            "abcabcabcabc",
            "changeme!!!",
            "Ch4ngeMe2026",
            "letmein1234",
            "docker12345",
            "iloveyou1234",
            "administrator",
            "          ",
        ] {
            assert_eq!(check("alice", password), Err(WeakPassword::Common), "{password}");
        }
        for password in [
            "the administrator's password",
            "alice:has a colon in it",
            "passwords-are-hard",
            "registry of the house",
            "tr0ub4dor&3x",
        ] {
            assert_eq!(check("alice", password), Ok(()), "{password}");
        }
    }

    #[test]
    fn ones_own_name_is_refused_with_what_people_put_around_it() {
        for (name, password) in [
            ("christopher-robin", "christopher-robin"),
            ("alexandra", "Alexandra2026!"),
            ("alexandra", "al3x4ndra2026"),
            ("alice", "alicealice"),
            ("alice", "aliceAliceali"),
            ("1234567", "1234567890123"),
        ] {
            let refused = check(name, password);
            assert!(
                matches!(refused, Err(WeakPassword::OwnName | WeakPassword::Common)),
                "{name} {password} {refused:?}"
            );
        }
        assert_eq!(check("alice", "alice:has a colon in it"), Ok(()));
    }

    #[test]
    fn no_password_is_taken_for_a_refresh_token() {
        assert_eq!(check("alice", &format!("pcl_rt_{}", "kJ8".repeat(14) + "x")), Err(WeakPassword::Token));
    }

    #[test]
    fn the_list_is_in_lower_case_and_long_enough_to_matter() {
        for password in COMMON.iter() {
            assert!(
                password.chars().count() >= LEAST_PASSWORD_LENGTH && password.to_lowercase() == **password,
                "{password}"
            );
        }
        assert!(WORDS.iter().all(|word| plain(word) == **word));
    }
}
