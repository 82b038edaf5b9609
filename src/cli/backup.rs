//! `portcullis backup` and `portcullis restore`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::context::{Context, block_on};
use super::output::Output;
use super::passphrase;
use super::progress::Bar;
use crate::node::backup::{
    BackedUp, BackupManifest, BackupOptions, Listed, RestoreOptions, Restored, back_up, list, restore,
};
use crate::node::owner::act_as_owner;
use crate::node::progress::Progress;

/// Back this registry up while it serves, or list backups
///
/// DEST is a directory, or `s3://BUCKET/PREFIX` in the object store that [blobs.s3] names. Each backup is complete; contents that DEST has already
/// are not copied again, and a backup that was interrupted is continued by the next one. With --passphrase-file, certificates and keys are in it,
/// under that passphrase: hosts then trust the restored registry as before. Without, they are not.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct BackupArgs {
    /// Where the backup goes
    #[arg(required = true)]
    dest: Option<String>,
    /// A file whose first line is the passphrase for certificates and keys
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Read every content of the backup back, not only what is new
    #[arg(long)]
    verify: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// List the backups in a directory or bucket
    List {
        /// Where they are
        dest: String,
    },
}

/// Restore a backup into an empty registry
///
/// The registry is the one of the configuration: SQLite or PostgreSQL, a disk or a bucket, whatever was backed up. Everything is verified. A
/// restore that was interrupted continues when it is run again.
#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// Where the backup is: a directory, or `s3://BUCKET/PREFIX`
    source: String,
    /// Which one of several; the newest otherwise
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// A file whose first line is the passphrase that the backup was made with
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Leave certificates and keys out: the registry gets new ones, and every host must trust it again
    #[arg(long, conflicts_with = "passphrase_file")]
    without_keys: bool,
}

pub(super) fn run(context: &Context, args: BackupArgs, output: &Output) -> anyhow::Result<()> {
    let config = context.config()?;
    let (Some(destination), None) = (args.dest, &args.verb) else {
        let Some(Verb::List { dest }) = args.verb else { bail!("name the directory or bucket of the backup") };
        let listed = block_on(list(&config, &dest))?;
        return print_list(&listed, output);
    };
    // Before root acts as the owner of the data directory, who may not be able to read it.
    let passphrase = args.passphrase_file.as_deref().map(passphrase_in).transpose()?;
    let data = context.data_directory()?;
    let bar = Arc::new(Bar::new());
    let options = BackupOptions { destination: destination.clone(), passphrase, verify: args.verify };
    let made = block_on(back_up(&config, &data, options, Arc::clone(&bar) as Arc<dyn Progress>));
    bar.end();
    report(&made?, &destination, output)
}

fn passphrase_in(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("cannot read the passphrase in {}", path.display()))?;
    passphrase::require_long_enough(text.lines().next().unwrap_or_default())
        .with_context(|| format!("cannot use the passphrase in {}", path.display()))
}

fn report(made: &BackedUp, destination: &str, output: &Output) -> anyhow::Result<()> {
    let BackedUp { manifest, copied, is_verified } = made;
    let keys = if manifest.has_keys() {
        "certificates and keys are in it, under the passphrase"
    } else {
        "certificates and keys are not in it (--passphrase-file): hosts will have to trust the restored registry again"
    };
    let text = format!(
        "backup {} in {destination}: {} blobs ({} bytes), of which {} ({} bytes) were copied by this run; {} tags, {} manifests, digest {}\n{keys}",
        manifest.id,
        manifest.blobs,
        manifest.bytes,
        copied.blobs,
        copied.bytes,
        manifest.tags,
        manifest.manifests,
        manifest.digest
    );
    let mut value = as_json(manifest);
    value["copied_blobs"] = json!(copied.blobs);
    value["copied_bytes"] = json!(copied.bytes);
    value["verified"] = json!(is_verified);
    output.done(&text, &value)?;
    if !copied.missing.is_empty() {
        bail!(
            "{} blobs are not in the backup, because their contents are lost or damaged in the registry: `portcullis check --scrub` names them; \
             push the images that have them, then make another backup",
            copied.missing.len()
        );
    }
    Ok(())
}

fn as_json(manifest: &BackupManifest) -> Value {
    json!({
        "id": manifest.id, "state": "complete", "created_at": manifest.created_at.to_string(), "version": manifest.version,
        "engine": manifest.engine, "instance": manifest.instance, "blobs": manifest.blobs, "bytes": manifest.bytes,
        "tags": manifest.tags, "manifests": manifest.manifests, "digest": manifest.digest, "keys": manifest.has_keys(),
        "missing": manifest.missing,
    })
}

fn print_list(listed: &[Listed], output: &Output) -> anyhow::Result<()> {
    let row = |listed: &Listed| match listed {
        Listed::Whole(manifest) => vec![
            manifest.id.clone(),
            "complete".to_owned(),
            manifest.blobs.to_string(),
            manifest.bytes.to_string(),
            manifest.tags.to_string(),
            if manifest.has_keys() { "yes" } else { "no" }.to_owned(),
            manifest.version.clone(),
        ],
        Listed::Interrupted(id) => vec![id.clone(), "interrupted".to_owned()],
        Listed::Unusable(id, why) => vec![id.clone(), format!("unusable: {why}")],
    };
    let value = |listed: &Listed| match listed {
        Listed::Whole(manifest) => as_json(manifest),
        Listed::Interrupted(id) => json!({ "id": id, "state": "interrupted" }),
        Listed::Unusable(id, why) => json!({ "id": id, "state": "unusable", "why": why }),
    };
    let headings = ["ID", "STATE", "BLOBS", "BYTES", "TAGS", "KEYS", "VERSION"];
    output.table(&headings, &listed.iter().map(row).collect::<Vec<_>>(), &listed.iter().map(value).collect())
}

pub(super) fn run_restore(context: &Context, args: RestoreArgs, output: &Output) -> anyhow::Result<()> {
    let config = context.config()?;
    let passphrase = args.passphrase_file.as_deref().map(passphrase_in).transpose()?;
    act_as_owner(&config.data_dir)?;
    let RestoreArgs { source, id, without_keys, .. } = args;
    let bar = Arc::new(Bar::new());
    let options = RestoreOptions { source, id, passphrase, without_keys };
    let restored = block_on(restore(&config, options, Arc::clone(&bar) as Arc<dyn Progress>));
    bar.end();
    let Restored { manifest, place, instance, rows, has_keys } = restored?;
    let keys = if has_keys {
        "Hosts trust it as before."
    } else {
        "It has a new certificate authority: every host must trust that (portcullis guide trust)."
    };
    let lost = if manifest.missing.is_empty() {
        String::new()
    } else {
        format!(
            "\n{} blobs were lost or damaged before the backup was made: push the images that have them",
            manifest.missing.len()
        )
    };
    let text = format!(
        "restored backup {} into {place}: {} blobs ({} bytes), {rows} rows, all verified; digest {}\n{keys}{lost}",
        manifest.id, manifest.blobs, manifest.bytes, manifest.digest
    );
    let mut value = as_json(&manifest);
    value["instance"] = json!(instance.to_string());
    value["rows"] = json!(rows);
    value["keys"] = json!(has_keys);
    output.done(&text, &value)
}
