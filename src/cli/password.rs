//! Where a password comes from: stdin, a prompt without echo, or a generator. Never an argument, which every process can read.

use std::io::{self, IsTerminal, Read};

use anyhow::{Context, bail};

use crate::auth::{MAX_PASSWORD_LENGTH, Secret};

/// A password, and whether it was generated and must be shown once.
pub(super) struct Chosen {
    pub(super) secret: Secret,
    pub(super) generated: bool,
}

/// Reads the password from stdin if `from_stdin`, else asks on a terminal, else generates one.
pub(super) fn choose(from_stdin: bool) -> anyhow::Result<Chosen> {
    if from_stdin {
        return Ok(Chosen { secret: read_stdin()?, generated: false });
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(Chosen { secret: ask()?, generated: false });
    }
    Ok(Chosen { secret: Secret::generate(), generated: true })
}

/// The first line of stdin.
fn read_stdin() -> anyhow::Result<Secret> {
    let mut text = zeroize::Zeroizing::new(String::new());
    let limit = (MAX_PASSWORD_LENGTH + 2) as u64;
    io::stdin().lock().take(limit).read_to_string(&mut text).context("cannot read the password from stdin")?;
    accept(text.lines().next().unwrap_or_default())
}

fn ask() -> anyhow::Result<Secret> {
    let first = zeroize::Zeroizing::new(rpassword::prompt_password("Password: ").context("cannot ask for a password")?);
    let second = zeroize::Zeroizing::new(rpassword::prompt_password("Again: ").context("cannot ask for a password")?);
    if *first != *second {
        bail!("the two passwords differ; nothing was changed");
    }
    accept(&first)
}

fn accept(text: &str) -> anyhow::Result<Secret> {
    if text.is_empty() {
        bail!("the password is empty; nothing was changed");
    }
    Ok(Secret::new(text)?)
}
