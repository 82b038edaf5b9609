//! `portcullis ca seal` and `ca unseal`: the root key encrypted with a passphrase or moved off this host, and restored.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;
use zeroize::Zeroizing;

use super::context::Context;
use super::output::Output;
use super::passphrase;
use crate::node::data_directory::DataDirectory;
use crate::pki::{NewKeyFile, PkiPaths, StoredRootKey, move_root_key, seal_root_key};

/// Encrypt the CA's root key with a passphrase, or move it off this host
///
/// The issuing CA continues to renew the server's certificate. The root key is needed about once a year to renew the issuing CA itself:
/// starting 60 days before its expiry the server warns, and `ca unseal` restores the key. The key in the data directory is overwritten
/// and removed; backups or the disk itself may still hold a copy.
#[derive(Debug, clap::Args)]
pub(super) struct SealArgs {
    /// Move the key to this new file, on another disk, instead of keeping it here. Not encrypted unless a passphrase is given
    #[arg(long, value_name = "FILE")]
    move_to: Option<PathBuf>,
    /// With --move-to: encrypt the file, and ask for the passphrase on the terminal
    #[arg(long, requires = "move_to", conflicts_with = "passphrase_stdin")]
    passphrase: bool,
    /// Read the passphrase from stdin
    #[arg(long)]
    passphrase_stdin: bool,
}

/// Restore the CA's root key to the data directory
#[derive(Debug, clap::Args)]
pub(super) struct UnsealArgs {
    /// The file that the key was moved to; the file is kept
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Read the passphrase from stdin
    #[arg(long)]
    passphrase_stdin: bool,
}

pub(super) fn seal(context: &Context, args: &SealArgs, output: &Output) -> anyhow::Result<()> {
    let Some(file) = &args.move_to else {
        context.read_certificates(|_, data| require_plain(data))?;
        let passphrase = passphrase::choose(args.passphrase_stdin)?;
        let sealed = context.change_certificates(|_, data| Ok(seal_root_key(data.path(), &passphrase)?))?;
        // Where the nodes share it, the command has worked on a copy.
        let sealed = context.config()?.data_dir.join("ca").join(sealed.file_name().unwrap_or_default());
        let sentence =
            format!("sealed the root key in {}; it cannot be opened without the passphrase", sealed.display());
        return output.done(&sentence, &json!({ "root_key": "sealed", "file": sealed }));
    };
    let file = std::path::absolute(file)?;
    // Before root acts as the owner of the data directory, who may not be able to create it.
    let new = NewKeyFile::create(&context.config()?.data_dir, &file);
    context.data_directory()?;
    let mut new = Some(new?);
    let passphrase = if args.passphrase || args.passphrase_stdin {
        context.read_certificates(|_, data| require_plain(data))?;
        Some(passphrase::choose(args.passphrase_stdin)?)
    } else {
        None
    };
    context.change_certificates(|_, data| {
        let Some(new) = new.take() else {
            bail!("the certificates were changed by another command at the same moment: run this again with another file, and destroy {}", file.display())
        };
        Ok(move_root_key(data.path(), new, passphrase.as_ref().map(|text| text.as_str()))?)
    })?;
    let sentence = format!("moved the root key to {}; keep that file away from this host", file.display());
    output.done(&sentence, &json!({ "root_key": "elsewhere", "file": file }))
}

/// Before anyone is asked for a passphrase.
fn require_plain(data: &DataDirectory) -> anyhow::Result<()> {
    if PkiPaths::new(data.path()).root_key().exists() {
        return Ok(());
    }
    bail!(
        "the root key is not in the data directory, so it cannot be encrypted: it was already sealed or moved (`portcullis ca \
         show`); nothing was changed"
    )
}

pub(super) fn unseal(context: &Context, args: &UnsealArgs, output: &Output) -> anyhow::Result<()> {
    // Before root acts as the owner of the data directory, who may not be able to read it.
    let data_dir = context.config()?.data_dir;
    let given = args.from.as_deref().map(|file| StoredRootKey::read(&data_dir, file));
    context.data_directory()?;
    let given = given.transpose()?;
    let find = |data: &DataDirectory| StoredRootKey::find(data.path(), given.clone());
    let needs_passphrase =
        context.change_certificates(|_, data| Ok(find(data)?.map(|stored| stored.needs_passphrase())))?;
    let Some(needs_passphrase) = needs_passphrase else {
        return output
            .done("the root key is already in the data directory", &json!({ "root_key": "here", "changed": false }));
    };
    let passphrase =
        if needs_passphrase { passphrase::ask_for(args.passphrase_stdin)? } else { Zeroizing::new(String::new()) };
    context.change_certificates(|_, data| find(data)?.map_or(Ok(()), |stored| Ok(stored.restore(&passphrase)?)))?;
    let sentence = match &args.from {
        Some(file) => format!("restored the root key to the data directory; {} still holds a copy", file.display()),
        None => "restored the root key to the data directory".to_owned(),
    };
    output.done(&sentence, &json!({ "root_key": "here", "changed": true }))
}
