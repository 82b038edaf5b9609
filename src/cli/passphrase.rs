//! The passphrase of a sealed key: from stdin, or from a terminal.

use anyhow::bail;
use zeroize::Zeroizing;

use super::secret_input::{LONGEST, ask, confirm, first_line, is_interactive};

/// Anyone who has the file can try passphrases indefinitely.
const SHORTEST: usize = 10;

/// A new passphrase; asked for twice on a terminal.
pub(super) fn choose(from_stdin: bool) -> anyhow::Result<Zeroizing<String>> {
    let passphrase = require_long_enough(&ask_for(from_stdin)?)?;
    if !from_stdin {
        confirm(&passphrase, "passphrase")?;
    }
    Ok(passphrase)
}

/// Refuses one that is easily guessed.
pub(super) fn require_long_enough(passphrase: &str) -> anyhow::Result<Zeroizing<String>> {
    if passphrase.chars().count() < SHORTEST {
        bail!("a passphrase has at least {SHORTEST} characters; nothing was changed");
    }
    Ok(Zeroizing::new(passphrase.to_owned()))
}

/// The passphrase that a key was sealed with.
pub(super) fn ask_for(from_stdin: bool) -> anyhow::Result<Zeroizing<String>> {
    if from_stdin {
        let line = first_line("passphrase")?;
        if line.len() > LONGEST {
            bail!("a passphrase has at most {LONGEST} bytes; nothing was changed");
        }
        return Ok(line);
    }
    if !is_interactive() {
        bail!("cannot ask for the passphrase without a terminal: give it on stdin with --passphrase-stdin");
    }
    ask("Passphrase: ", "passphrase")
}
