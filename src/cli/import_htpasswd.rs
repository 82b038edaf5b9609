//! `portcullis import htpasswd`: the users of another registry.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::context::Context;
use super::output::Output;
use crate::admin::{AdminError, Administration};
use crate::auth::{AdminPermit, BcryptHash};
use crate::domain::AccountName;

/// The longest file.
const LONGEST: u64 = 16 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file, with a line NAME:HASH for each user
    file: PathBuf,
    /// Let users own repositories of NAME/** that already exist
    #[arg(long)]
    own_existing: bool,
}

/// What has become of the lines.
#[derive(Default)]
struct Imported {
    new: Vec<String>,
    known: Vec<String>,
    /// A name and why it could not be imported.
    refused: Vec<(String, String)>,
}

pub(super) fn run(context: &Context, args: &Args, output: &Output) -> anyhow::Result<()> {
    // Before root acts as someone else, who may not read it.
    let mut text = Zeroizing::new(String::new());
    let read = File::open(&args.file).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    read.with_context(|| format!("cannot read {}", args.file.display()))?;
    let imported = context.administer(async |admin, permit| import(admin, permit, &text, args.own_existing).await)?;
    show(&imported, output)?;
    if imported.refused.is_empty() {
        return Ok(());
    }
    bail!("{} users could not be imported; all others were", imported.refused.len())
}

async fn import(
    admin: &Administration,
    permit: &AdminPermit,
    text: &str,
    own_existing: bool,
) -> anyhow::Result<Imported> {
    let mut imported = Imported::default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let Some((typed, hash)) = line.split_once(':') else {
            // What is on it may be a password.
            imported.refused.push(("a line".to_owned(), "it is not NAME:HASH".to_owned()));
            continue;
        };
        match user(typed, hash) {
            Err(why) => imported.refused.push((typed.to_owned(), why)),
            Ok((name, hash)) => match admin.import_user(permit, name, hash, own_existing).await {
                Ok(()) => imported.new.push(typed.to_owned()),
                Err(AdminError::NameTaken(_)) => imported.known.push(typed.to_owned()),
                Err(error @ AdminError::Storage(_)) => return Err(error.into()),
                Err(error) => imported.refused.push((typed.to_owned(), error.to_string())),
            },
        }
    }
    Ok(imported)
}

fn user(name: &str, hash: &str) -> Result<(AccountName, BcryptHash), String> {
    let name: AccountName = name.parse().map_err(|error| format!("{error}"))?;
    Ok((name, BcryptHash::parse(hash).map_err(|error| error.to_string())?))
}

fn show(imported: &Imported, output: &Output) -> anyhow::Result<()> {
    let mut lines = vec![("imported", imported.new.len().to_string())];
    if !imported.known.is_empty() {
        lines.push(("exist already", imported.known.len().to_string()));
    }
    lines.extend(imported.refused.iter().map(|(name, why)| ("refused", format!("{name}: {why}"))));
    let refused: Vec<Value> = imported.refused.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect();
    let json = json!({ "imported": imported.new, "exist_already": imported.known, "refused": refused });
    output.record(&lines, &json)
}
