//! `portcullis user`: manages users.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{Output, date};
use super::password;
use crate::admin::{NewPassword, NewUser, User, admit_name};
use crate::domain::AccountName;
use crate::node::administrator::forget_replaced_password;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a user; without --password-stdin, asks for the password on a terminal, else generates one and prints it once
    Add {
        /// The name to log in with; the user owns the repositories NAME/**
        name: AccountName,
        /// Make the user an administrator, who may do everything
        #[arg(long)]
        admin: bool,
        /// Read the password from stdin
        #[arg(long)]
        password_stdin: bool,
        /// Let the user own repositories of NAME/** that already exist
        #[arg(long)]
        own_existing: bool,
    },
    /// List all users
    List,
    /// Show a user
    Show {
        /// The user
        name: AccountName,
    },
    /// Set a new password; invalidates the user's tokens and resets failed attempts
    Passwd {
        /// The user
        name: AccountName,
        /// Read the password from stdin
        #[arg(long)]
        password_stdin: bool,
    },
    /// Disable a user; invalidates the user's tokens
    Disable {
        /// The user
        name: AccountName,
    },
    /// Enable a disabled user
    Enable {
        /// The user
        name: AccountName,
    },
    /// Unlock a user after too many wrong passwords; resets failed attempts
    Unlock {
        /// The user
        name: AccountName,
    },
    /// Remove a user and their grants; their repositories stay, and are counted in the output
    Remove {
        /// The user
        name: AccountName,
    },
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::Add { name, admin, password_stdin, own_existing } => {
            add(context, &name, New { admin, password_stdin, own_existing }, output)
        }
        Verb::Passwd { name, password_stdin } => passwd(context, &name, password_stdin, output),
        Verb::List => list(&context.administer(async |admin, permit| Ok(admin.users(permit).await?))?, output),
        Verb::Show { name } => {
            show(&context.administer(async |admin, permit| Ok(admin.user(permit, &name).await?))?, output)
        }
        Verb::Unlock { name } => unlock(context, &name, output),
        Verb::Disable { name } => {
            context.administer(async |admin, permit| Ok(admin.disable_user(permit, &name).await?))?;
            switched("disabled", &name, output)
        }
        Verb::Enable { name } => {
            context.administer(async |admin, permit| Ok(admin.enable_user(permit, &name).await?))?;
            switched("enabled", &name, output)
        }
        Verb::Remove { name } => remove(context, &name, output),
    }
}

/// What the flags say of a new user.
#[derive(Clone, Copy)]
struct New {
    admin: bool,
    password_stdin: bool,
    own_existing: bool,
}

fn add(context: &Context, name: &AccountName, new: New, output: &Output) -> anyhow::Result<()> {
    // Before anyone is asked for a password in vain.
    context.data_directory()?;
    admit_name(name)?;
    let New { admin, password_stdin, own_existing } = new;
    let password = password::choose(name, password_stdin)?;
    let user = NewUser { name: name.clone(), password: password.clone(), admin, own_existing };
    context.administer(async |admin, permit| Ok(admin.add_user(permit, user).await?))?;
    let role = if admin { "administrator" } else { "user" };
    done(output, &format!("added {role} {name}"), name, &password)
}

fn passwd(context: &Context, name: &AccountName, from_stdin: bool, output: &Output) -> anyhow::Result<()> {
    let data = context.data_directory()?;
    let password = password::choose(name, from_stdin)?;
    let new = password.clone();
    let replaced = context.administer(async |admin, permit| Ok(admin.set_password(permit, name, new).await?))?;
    forget_replaced_password(&data, &replaced)?;
    done(output, &format!("changed the password of {name}"), name, &password)
}

/// What was done; a generated password is shown this once.
fn done(output: &Output, sentence: &str, name: &AccountName, password: &NewPassword) -> anyhow::Result<()> {
    match password.to_show() {
        Some(password) => output.done(
            &format!("{sentence}, password  {password}  (shown once)"),
            &json!({ "name": name.as_str(), "password": password }),
        ),
        None => output.done(sentence, &json!({ "name": name.as_str() })),
    }
}

fn remove(context: &Context, name: &AccountName, output: &Output) -> anyhow::Result<()> {
    let removed = context.administer(async |admin, permit| Ok(admin.remove_user(permit, name).await?))?;
    let left = removed.repositories_left;
    let sentence = match left {
        0 => format!("removed user {name}; no repositories of {name}/** exist"),
        _ => format!(
            "removed user {name}; {left} repositories of {name}/** stay: see `portcullis repo list`, and remove them with `portcullis \
             repo remove NAME`"
        ),
    };
    output.done(&sentence, &json!({ "removed": name.as_str(), "repositories_left": left }))
}

fn list(users: &[User], output: &Output) -> anyhow::Result<()> {
    let row = |user: &User| {
        vec![
            user.name.to_string(),
            role(user).to_owned(),
            state(user).to_owned(),
            date(user.created_at),
            user.failed_logins.to_string(),
            locked_until(user),
        ]
    };
    let rows: Vec<Vec<String>> = users.iter().map(row).collect();
    let headings = ["NAME", "ROLE", "STATE", "ADDED", "WRONG PASSWORDS", "LOCKED UNTIL"];
    output.table(&headings, &rows, &users.iter().map(to_json).collect())
}

fn show(user: &User, output: &Output) -> anyhow::Result<()> {
    output.record(
        &[
            ("name", user.name.to_string()),
            ("role", role(user).to_owned()),
            ("state", state(user).to_owned()),
            ("added", date(user.created_at)),
            ("wrong passwords", format!("{} in 24 hours", user.failed_logins)),
            ("locked until", locked_until(user)),
        ],
        &to_json(user),
    )
}

fn unlock(context: &Context, name: &AccountName, output: &Output) -> anyhow::Result<()> {
    let unlocked = context.administer(async |admin, permit| Ok(admin.unlock_user(permit, name).await?))?;
    let sentence = match (unlocked.was_locked, unlocked.forgotten) {
        (true, wrong) => format!("unlocked user {name}; reset {wrong} wrong passwords"),
        (false, 0) => format!("user {name} was not locked"),
        (false, wrong) => format!("user {name} was not locked; reset {wrong} wrong passwords"),
    };
    let json = json!({
        "name": name.as_str(),
        "was_locked": unlocked.was_locked,
        "forgotten": unlocked.forgotten,
    });
    output.done(&sentence, &json)
}

fn switched(state: &str, name: &AccountName, output: &Output) -> anyhow::Result<()> {
    output.done(&format!("{state} user {name}"), &json!({ "name": name.as_str(), "state": state }))
}

fn role(user: &User) -> &'static str {
    if user.admin { "administrator" } else { "user" }
}

fn state(user: &User) -> &'static str {
    if user.disabled { "disabled" } else { "enabled" }
}

/// Until when no password is checked.
fn locked_until(user: &User) -> String {
    user.locked_until.map_or_else(|| "-".to_owned(), date)
}

fn to_json(user: &User) -> Value {
    json!({
        "name": user.name.as_str(),
        "admin": user.admin,
        "disabled": user.disabled,
        "created_at": date(user.created_at),
        "wrong_passwords": user.failed_logins,
        "locked_until": user.locked_until.map(date),
    })
}
