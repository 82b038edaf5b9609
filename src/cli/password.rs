//! The password of a user: read from stdin, asked for on a terminal, or generated.

use super::secret_input::{ask, confirm, first_line, is_interactive};
use crate::admin::NewPassword;
use crate::domain::AccountName;

/// Reads the password of `name` from stdin if `from_stdin`, else asks on a terminal, else generates one.
pub(super) fn choose(name: &AccountName, from_stdin: bool) -> anyhow::Result<NewPassword> {
    if from_stdin {
        return Ok(NewPassword::chosen(name, &first_line("password")?)?);
    }
    if is_interactive() {
        let password = ask("Password: ", "password")?;
        confirm(&password, "password")?;
        return Ok(NewPassword::chosen(name, &password)?);
    }
    Ok(NewPassword::generated())
}
