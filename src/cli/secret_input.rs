//! Where secrets come from: stdin, or a terminal without echo. Never an argument, which every process can read.

use std::io::{self, IsTerminal, Read};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use crate::admin::NewPassword;

/// The longest secret, in bytes.
pub(super) const LONGEST: usize = NewPassword::LONGEST;
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Whether someone at a terminal can be asked.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal; `what` is for the error.
pub(super) fn ask(prompt: &str, what: &str) -> anyhow::Result<Zeroizing<String>> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).with_context(|| format!("cannot ask for the {what}"))
}

/// Asks a second time, and refuses another answer.
pub(super) fn confirm(first: &str, what: &str) -> anyhow::Result<()> {
    if *ask("Again: ", what)? != *first {
        bail!("the two {what}s differ; nothing was changed");
    }
    Ok(())
}

/// The first line of stdin, of which no more than the longest secret is read. A byte order mark is refused, for it would be part of the
/// secret and no one can type it.
pub(super) fn first_line(what: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let limit = (LONGEST + 2) as u64;
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
