//! The passphrase of a sealed key: from stdin, or from a terminal without echo. Never an argument, which every process can read.

use std::io::{self, IsTerminal};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use super::password;
use crate::auth::MAX_PASSWORD_LENGTH;

/// Someone who has the file can try passphrases indefinitely.
const SHORTEST: usize = 10;
/// The longest, in bytes.
const LONGEST: usize = MAX_PASSWORD_LENGTH;

/// A new passphrase; asked for twice on a terminal.
pub(super) fn choose(from_stdin: bool) -> anyhow::Result<Zeroizing<String>> {
    let passphrase = ask_for(from_stdin)?;
    if passphrase.chars().count() < SHORTEST {
        bail!("a passphrase has at least {SHORTEST} characters; nothing was changed");
    }
    if !from_stdin && *prompt("Again: ")? != *passphrase {
        bail!("the two passphrases differ; nothing was changed");
    }
    Ok(passphrase)
}

/// The passphrase that a key was sealed with.
pub(super) fn ask_for(from_stdin: bool) -> anyhow::Result<Zeroizing<String>> {
    if from_stdin {
        let line = password::first_line("passphrase")?;
        if line.len() > LONGEST {
            bail!("a passphrase has at most {LONGEST} bytes; nothing was changed");
        }
        return Ok(line);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!("there is no terminal to ask for the passphrase on: give it on stdin with --passphrase-stdin");
    }
    prompt("Passphrase: ")
}

fn prompt(text: &str) -> anyhow::Result<Zeroizing<String>> {
    rpassword::prompt_password(text).map(Zeroizing::new).context("cannot ask for the passphrase")
}
