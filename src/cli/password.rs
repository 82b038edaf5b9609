//! Where a password comes from: stdin, a prompt without echo, or a generator. Never an argument, which every process can read.

use std::io::{self, IsTerminal, Read};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use crate::auth::{MAX_PASSWORD_LENGTH, Secret, check_chosen_password};
use crate::domain::AccountName;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// A password, and whether it was generated and must be shown once.
pub(super) struct Chosen {
    pub(super) secret: Secret,
    pub(super) generated: bool,
}

/// Reads the password of `name` from stdin if `from_stdin`, else asks on a terminal, else generates one.
pub(super) fn choose(name: &AccountName, from_stdin: bool) -> anyhow::Result<Chosen> {
    if from_stdin {
        return Ok(Chosen { secret: accept(name, &first_line("password")?)?, generated: false });
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(Chosen { secret: ask(name)?, generated: false });
    }
    Ok(Chosen { secret: Secret::generate(), generated: true })
}

/// The first line of stdin, of which more than the longest secret is not read. A byte order mark is refused, for it would be part of the
/// secret and no one can type it.
pub(super) fn first_line(what: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let limit = (MAX_PASSWORD_LENGTH + 2) as u64;
    let read = io::stdin().lock().take(limit).read_to_string(&mut text);
    read.with_context(|| format!("cannot read the {what} from stdin"))?;
    if text.starts_with(BYTE_ORDER_MARK) {
        bail!(
            "the {what} on stdin begins with a byte order mark, which no one can type: save the file as UTF-8 without BOM; nothing \
             was changed"
        );
    }
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn ask(name: &AccountName) -> anyhow::Result<Secret> {
    let first = Zeroizing::new(rpassword::prompt_password("Password: ").context("cannot ask for a password")?);
    let second = Zeroizing::new(rpassword::prompt_password("Again: ").context("cannot ask for a password")?);
    if *first != *second {
        bail!("the two passwords differ; nothing was changed");
    }
    accept(name, &first)
}

fn accept(name: &AccountName, text: &str) -> anyhow::Result<Secret> {
    if text.is_empty() {
        bail!("the password is empty; nothing was changed");
    }
    let secret = Secret::new(text)?;
    if let Err(weak) = check_chosen_password(name, &secret) {
        bail!("{weak}; nothing was changed");
    }
    Ok(secret)
}
