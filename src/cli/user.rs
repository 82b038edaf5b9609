//! `portcullis user`: the people who log in.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{Output, date};
use super::password::{self, Chosen};
use crate::auth::{AccountLimit, Pause, hash_password, is_password_of};
use crate::domain::AccountName;
use crate::storage::metadata::{AddedUser, Metadata, NewUser, UserRecord};

/// How many repositories are read at a time.
const STEP: u32 = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a user; without --password-stdin the password is asked for on a terminal, else generated and printed once
    Add {
        /// The name to log in with; the user owns the repositories NAME/**
        name: AccountName,
        /// Allow everything
        #[arg(long)]
        admin: bool,
        /// Read the password from stdin
        #[arg(long)]
        password_stdin: bool,
        /// Let the user own repositories of NAME/** that exist already
        #[arg(long)]
        own_existing: bool,
    },
    /// All users
    List,
    /// One user
    Show {
        /// The name
        name: AccountName,
    },
    /// Set a new password; outstanding tokens end, wrong passwords are forgotten
    Passwd {
        /// The name
        name: AccountName,
        /// Read the password from stdin
        #[arg(long)]
        password_stdin: bool,
    },
    /// Refuse a user from now on; outstanding tokens end
    Disable {
        /// The name
        name: AccountName,
    },
    /// Let a disabled user in again
    Enable {
        /// The name
        name: AccountName,
    },
    /// Forget wrong passwords: the user's password is looked at again at once
    Unlock {
        /// The name
        name: AccountName,
    },
    /// Remove a user and the grants given to it; repositories stay, and the answer says how many
    Remove {
        /// The name
        name: AccountName,
    },
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    match verb {
        Verb::Add { name, admin, password_stdin, own_existing } => {
            add(context, &name, New { admin, from_stdin: password_stdin, own_existing }, output)
        }
        Verb::Passwd { name, password_stdin } => passwd(context, &name, password_stdin, output),
        Verb::List => {
            let limit = limit(context)?;
            context.with_metadata(async |store| list(&store.users().await?, limit, output))
        }
        Verb::Show { name } => {
            let limit = limit(context)?;
            context.with_metadata(async |store| show(&*store, &name, limit, output).await)
        }
        Verb::Unlock { name } => unlock(context, &name, output),
        Verb::Disable { name } => switch(context, &name, true, output),
        Verb::Enable { name } => switch(context, &name, false, output),
        Verb::Remove { name } => context.with_metadata(async |store| remove(&*store, &name, output).await),
    }
}

/// What a new user is like.
#[derive(Clone, Copy)]
struct New {
    admin: bool,
    from_stdin: bool,
    own_existing: bool,
}

fn add(context: &Context, name: &AccountName, new: New, output: &Output) -> anyhow::Result<()> {
    let New { admin, from_stdin, own_existing } = new;
    context.data_directory()?;
    admit_name(name)?;
    let chosen = password::choose(name, from_stdin)?;
    let password_hash = hash_password(&chosen.secret);
    let owns_nothing = context.config()?.auth.personal_namespaces && !own_existing;
    context.with_metadata(async |store| {
        match store.add_user(NewUser { name: name.clone(), password_hash, admin }, owns_nothing).await? {
            AddedUser::Added => {}
            AddedUser::NameTaken => {
                bail!("the name {name} is taken: see `portcullis user list`; nothing was changed")
            }
            AddedUser::WouldOwn(repositories) => {
                let names: Vec<String> = repositories.iter().map(ToString::to_string).collect();
                bail!(
                    "{name} would own repositories that exist already ({}): see `portcullis repo list`; choose another name, or allow \
                     it with --own-existing; nothing was changed",
                    names.join(", ")
                )
            }
        }
        let role = if admin { "administrator" } else { "user" };
        done(output, &format!("added {role} {name}"), name, &chosen)
    })
}

/// Refuses the name of a new account where it has another meaning.
pub(super) fn admit_name(name: &AccountName) -> anyhow::Result<()> {
    if name.is_reserved() {
        bail!("the name {name} is reserved: choose another; nothing was changed");
    }
    Ok(())
}

async fn remove(store: &dyn Metadata, name: &AccountName, output: &Output) -> anyhow::Result<()> {
    found(store.remove_user(name).await?, name)?;
    let stay = count_below(store, name).await?;
    let sentence = match stay {
        0 => format!("removed user {name}; no repositories of {name}/** exist"),
        _ => format!(
            "removed user {name}; {stay} repositories of {name}/** stay: see `portcullis repo list`, and remove them with `portcullis \
             repo remove NAME`"
        ),
    };
    output.done(&sentence, &json!({ "removed": name.as_str(), "repositories_left": stay }))
}

/// How many repositories lie in `NAME/**`.
async fn count_below(store: &dyn Metadata, name: &AccountName) -> anyhow::Result<usize> {
    let first = format!("{name}/");
    let (mut last, mut count) = (first.clone(), 0);
    loop {
        let step = store.repositories(Some(&last), STEP).await?;
        let below = step.iter().take_while(|repository| repository.as_str().starts_with(&first)).count();
        count += below;
        match step.last() {
            Some(name) if below == step.len() => name.as_str().clone_into(&mut last),
            _ => return Ok(count),
        }
    }
}

fn passwd(context: &Context, name: &AccountName, from_stdin: bool, output: &Output) -> anyhow::Result<()> {
    let data = context.data_directory()?;
    let chosen = password::choose(name, from_stdin)?;
    let password_hash = hash_password(&chosen.secret);
    context.with_metadata(async |store| {
        let before = store.user(name).await?;
        found(store.set_password(name, password_hash).await?, name)?;
        // The file with the first password is of no use any more once its owner has chosen another.
        let first = data.read_first_password();
        if first.zip(before).is_some_and(|(first, before)| is_password_of(&first, &before.password_hash)) {
            data.forget_first_password().context("the password was changed, but its file is still there")?;
        }
        done(output, &format!("changed the password of {name}"), name, &chosen)
    })
}

/// What was done; a generated password is shown this once.
fn done(output: &Output, sentence: &str, name: &AccountName, chosen: &Chosen) -> anyhow::Result<()> {
    if chosen.generated {
        let password = chosen.secret.expose();
        let sentence = format!("{sentence}, password  {password}  (shown once)");
        return output.done(&sentence, &json!({ "name": name.as_str(), "password": password }));
    }
    output.done(sentence, &json!({ "name": name.as_str() }))
}

fn list(users: &[UserRecord], limit: AccountLimit, output: &Output) -> anyhow::Result<()> {
    let row = |user: &UserRecord| {
        let guesses = Guesses::of(user, limit);
        vec![
            user.name.to_string(),
            role(user).to_owned(),
            state(user).to_owned(),
            date(user.created_at),
            guesses.wrong.to_string(),
            guesses.until(),
        ]
    };
    let rows: Vec<Vec<String>> = users.iter().map(row).collect();
    let json = users.iter().map(|user| to_json(user, limit)).collect();
    output.table(&["NAME", "ROLE", "STATE", "ADDED", "WRONG PASSWORDS", "LOCKED UNTIL"], &rows, &json)
}

async fn show(store: &dyn Metadata, name: &AccountName, limit: AccountLimit, output: &Output) -> anyhow::Result<()> {
    let Some(user) = store.user(name).await? else {
        return found(false, name);
    };
    let guesses = Guesses::of(&user, limit);
    output.record(
        &[
            ("name", user.name.to_string()),
            ("role", role(&user).to_owned()),
            ("state", state(&user).to_owned()),
            ("added", date(user.created_at)),
            ("wrong passwords", format!("{} in 24 hours", guesses.wrong)),
            ("locked until", guesses.until()),
        ],
        &to_json(&user, limit),
    )
}

fn unlock(context: &Context, name: &AccountName, output: &Output) -> anyhow::Result<()> {
    let limit = limit(context)?;
    context.with_metadata(async |store| {
        let Some(user) = store.user(name).await? else { return found(false, name) };
        found(store.clear_login_failures(name).await?, name)?;
        let guesses = Guesses::of(&user, limit);
        let sentence = match (guesses.pause, guesses.wrong) {
            (Some(_), wrong) => format!("unlocked user {name}, and forgot {wrong} wrong passwords"),
            (None, 0) => format!("user {name} was not locked"),
            (None, wrong) => format!("user {name} was not locked; forgot {wrong} wrong passwords"),
        };
        let json = json!({ "name": name.as_str(), "was_locked": guesses.pause.is_some(), "forgotten": guesses.wrong });
        output.done(&sentence, &json)
    })
}

/// Wrong passwords, as the configuration counts them.
fn limit(context: &Context) -> anyhow::Result<AccountLimit> {
    Ok(AccountLimit::new(context.config()?.auth.failures_per_account))
}

/// What wrong passwords have come to.
struct Guesses {
    wrong: usize,
    pause: Option<Pause>,
}

impl Guesses {
    fn of(user: &UserRecord, limit: AccountLimit) -> Self {
        let now = jiff::Timestamp::now().as_second();
        Self { wrong: AccountLimit::lately(&user.failures, now), pause: limit.pause(&user.failures, now) }
    }

    /// Until when no password is looked at.
    fn until(&self) -> String {
        self.pause.map_or_else(|| "-".to_owned(), |pause| date(pause.until))
    }
}

fn switch(context: &Context, name: &AccountName, disabled: bool, output: &Output) -> anyhow::Result<()> {
    context.with_metadata(async |store| {
        found(store.set_disabled(name, disabled).await?, name)?;
        let word = if disabled { "disabled" } else { "enabled" };
        output.done(&format!("{word} user {name}"), &json!({ "name": name.as_str(), "state": word }))
    })
}

/// Fails with what to do where there is no such user.
pub(super) fn found(found: bool, name: &AccountName) -> anyhow::Result<()> {
    if found { Ok(()) } else { bail!("there is no user {name}: see `portcullis user list`; nothing was changed") }
}

fn role(user: &UserRecord) -> &'static str {
    if user.admin { "administrator" } else { "user" }
}

fn state(user: &UserRecord) -> &'static str {
    if user.disabled { "disabled" } else { "enabled" }
}

fn to_json(user: &UserRecord, limit: AccountLimit) -> Value {
    let guesses = Guesses::of(user, limit);
    json!({
        "name": user.name.as_str(),
        "admin": user.admin,
        "disabled": user.disabled,
        "created_at": date(user.created_at),
        "wrong_passwords": guesses.wrong,
        "locked_until": guesses.pause.map(|pause| date(pause.until)),
    })
}
