//! `portcullis ca seal` and `ca unseal`: the root key put under a passphrase or off this host, and brought back.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;
use zeroize::Zeroizing;

use super::context::Context;
use super::output::Output;
use super::passphrase;
use crate::node::data_directory::DataDirectory;
use crate::pki::{NewKeyFile, StoredRootKey, TlsPaths, move_root_key, seal_root_key};

/// Put the CA's root key under a passphrase, or off this host
///
/// Certificates go on being renewed by the issuing CA, whose own certificate the root key renews about once a year: from 60 days
/// before its end the server warns, and `ca unseal` brings the key back. The key in its old place is overwritten and removed; a
/// backup or the disk itself may still hold a copy.
#[derive(Debug, clap::Args)]
pub(super) struct SealArgs {
    /// Move the key into this new file, on another disk, and leave nothing here. As it is, unless a passphrase is given
    #[arg(long, value_name = "FILE")]
    move_to: Option<PathBuf>,
    /// With --move-to: ask for a passphrase on the terminal
    #[arg(long, requires = "move_to", conflicts_with = "passphrase_stdin")]
    passphrase: bool,
    /// Read the passphrase from stdin
    #[arg(long)]
    passphrase_stdin: bool,
}

/// Bring the CA's root key back into its place
#[derive(Debug, clap::Args)]
pub(super) struct UnsealArgs {
    /// The file that it was moved to; the file stays
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Read the passphrase from stdin
    #[arg(long)]
    passphrase_stdin: bool,
}

pub(super) fn seal(context: &Context, args: &SealArgs, output: &Output) -> anyhow::Result<()> {
    let Some(file) = &args.move_to else {
        let data = &context.data_directory()?;
        require_plain(data)?;
        let sealed = seal_root_key(data.path(), &passphrase::choose(args.passphrase_stdin)?)?;
        let sentence =
            format!("sealed the root key in {}; no one can open it without the passphrase", sealed.display());
        return output.done(&sentence, &json!({ "root_key": "sealed", "file": sealed }));
    };
    let file = std::path::absolute(file)?;
    // Before root acts as the owner of the data directory, who may not be able to make it.
    let new = NewKeyFile::create(&context.config()?.data_dir, &file);
    let data = &context.data_directory()?;
    let new = new?;
    let passphrase = if args.passphrase || args.passphrase_stdin {
        require_plain(data)?;
        Some(passphrase::choose(args.passphrase_stdin)?)
    } else {
        None
    };
    move_root_key(data.path(), new, passphrase.as_ref().map(|text| text.as_str()))?;
    let sentence = format!("moved the root key to {}; keep that file where this host is not", file.display());
    output.done(&sentence, &json!({ "root_key": "elsewhere", "file": file }))
}

/// Before anybody is asked for a passphrase.
fn require_plain(data: &DataDirectory) -> anyhow::Result<()> {
    if TlsPaths::new(data.path()).root_key().exists() {
        return Ok(());
    }
    bail!(
        "the root key is not in the data directory, so it cannot be given a passphrase: it was sealed or moved already \
         (`portcullis ca show`). Nothing changed"
    )
}

pub(super) fn unseal(context: &Context, args: &UnsealArgs, output: &Output) -> anyhow::Result<()> {
    // Before root acts as the owner of the data directory, who may not be able to read it.
    let data_dir = context.config()?.data_dir;
    let given = args.from.as_deref().map(|file| StoredRootKey::read(&data_dir, file));
    let data = context.data_directory()?;
    let Some(stored) = StoredRootKey::find(data.path(), given.transpose()?)? else {
        return output.done("the root key is in its place already", &json!({ "root_key": "here", "changed": false }));
    };
    let passphrase = if stored.needs_passphrase() {
        passphrase::ask_for(args.passphrase_stdin)?
    } else {
        Zeroizing::new(String::new())
    };
    stored.restore(&passphrase)?;
    let sentence = match &args.from {
        Some(file) => format!("the root key is back in the data directory; {} still holds it too", file.display()),
        None => "the root key is back in the data directory".to_owned(),
    };
    output.done(&sentence, &json!({ "root_key": "here", "changed": true }))
}
