//! The passphrase of a sealed key: from stdin, or from a terminal without echo. Never an argument, which every process can read.

use std::io::{self, IsTerminal, Read};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

/// Whoever has the file can try passphrases for as long as he likes.
const SHORTEST: usize = 10;
/// The longest, in bytes.
const LONGEST: u64 = 1024;

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
        return read_stdin();
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!("there is no terminal to ask for the passphrase on: give it on stdin with --passphrase-stdin");
    }
    prompt("Passphrase: ")
}

fn prompt(text: &str) -> anyhow::Result<Zeroizing<String>> {
    rpassword::prompt_password(text).map(Zeroizing::new).context("cannot ask for the passphrase")
}

/// The first line of stdin.
fn read_stdin() -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    io::stdin().lock().take(LONGEST + 2).read_to_string(&mut text).context("cannot read the passphrase from stdin")?;
    let line = text.lines().next().unwrap_or_default();
    if line.len() as u64 > LONGEST {
        bail!("a passphrase has at most {LONGEST} bytes; nothing was changed");
    }
    Ok(Zeroizing::new(line.to_owned()))
}
