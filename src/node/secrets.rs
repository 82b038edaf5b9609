//! The key that encrypts the secrets in the database: in the file that the configuration names, else in the data directory.
//!
//! Nodes that share a database have the same key. Which one that is, the first start decides; from then on no node makes another.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::data_directory::DataDirectory;
use crate::auth::{DataKey, require_data_key};
use crate::config::Config;
use crate::pki::{NewKeyFile, read_key};
use crate::storage::metadata::Metadata;

/// The key, which other nodes of this database have too. Made if there is none and nothing was ever encrypted with one.
pub(crate) async fn data_key(
    config: &Config,
    data: &DataDirectory,
    metadata: &dyn Metadata,
) -> anyhow::Result<DataKey> {
    let file = config.secrets.key_file.as_deref();
    if !config.database.is_shared() {
        return file.map_or_else(|| data.data_key(), read_key_file);
    }
    let known = metadata.data_key_check().await?;
    let (key, is_new) = match (file, data.kept_data_key()?) {
        (Some(file), _) => (read_key_file(file)?, false),
        (None, Some(key)) => (key, false),
        (None, None) if known.is_some() => return Err(missing(config)),
        (None, None) => (data.make_data_key()?, true),
    };
    let counts = if let Some(known) = known {
        known
    } else {
        require_data_key(metadata, &key).await?;
        metadata.claim_data_key(key.check_value()).await?
    };
    if counts == key.check_value() {
        return Ok(key);
    }
    if is_new {
        // Another node was faster, and nothing was encrypted with this one.
        data.remove_data_key()?;
        return Err(missing(config));
    }
    Err(another(config, data))
}

/// The key in the operator's file: 32 bytes, or base64 of them.
pub(super) fn read_key_file(path: &Path) -> anyhow::Result<DataKey> {
    let content = match read_key(path) {
        Err(error) if error.is_missing() => bail!(
            "secrets.key_file names {}, which does not exist: copy it from a machine that has it (mode 0600); before the very first \
             start, `portcullis init` makes it, or: openssl rand -base64 32 > {}; chmod 600 {}",
            path.display(),
            path.display(),
            path.display()
        ),
        content => content.context("cannot use secrets.key_file")?,
    };
    parse(&content).with_context(|| {
        format!(
            "{} (secrets.key_file) holds no key: 32 random bytes are needed, as they are or in base64 (openssl rand -base64 32); if \
             the registry exists, copy the file from another node",
            path.display()
        )
    })
}

/// The key in the bytes of a file.
pub(super) fn parse(content: &[u8]) -> Option<DataKey> {
    if let Ok(bytes) = content.try_into() {
        return Some(DataKey::new(bytes));
    }
    let text = Zeroizing::new(String::from_utf8(content.to_vec()).ok()?);
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    bytes.as_slice().try_into().ok().map(DataKey::new)
}

/// What a key's file contains.
pub(super) fn to_text(key: &DataKey) -> Zeroizing<String> {
    Zeroizing::new(format!("{}\n", STANDARD.encode(key.expose())))
}

/// Where a node with this configuration has the key.
pub(super) fn key_file(config: &Config, data: &DataDirectory) -> PathBuf {
    config.secrets.key_file.clone().unwrap_or_else(|| data.data_key_file())
}

/// The key that is there, if any.
pub(super) fn kept_key(config: &Config, data: &DataDirectory) -> anyhow::Result<Option<DataKey>> {
    match &config.secrets.key_file {
        Some(path) if path.exists() => read_key_file(path).map(Some),
        Some(_) => Ok(None),
        None => data.kept_data_key(),
    }
}

/// Puts the key there, if there is none.
pub(super) fn keep_key(config: &Config, data: &DataDirectory, key: &DataKey) -> anyhow::Result<()> {
    match &config.secrets.key_file {
        Some(path) => write_key_file(config, path, key),
        None => data.keep_data_key(key),
    }
}

/// Makes the operator's file with a new key if it is missing: at the first start, by `init`.
pub(super) fn make_key_file(config: &Config) -> anyhow::Result<()> {
    match config.secrets.key_file.as_deref().filter(|path| !path.exists()) {
        Some(path) => write_key_file(config, path, &DataKey::generate()),
        None => Ok(()),
    }
}

/// The file belongs to no data directory.
fn write_key_file(config: &Config, path: &Path, key: &DataKey) -> anyhow::Result<()> {
    let made = NewKeyFile::create(&config.data_dir, path).and_then(|mut file| file.write(to_text(key).as_bytes()));
    made.context("cannot make secrets.key_file")
}

fn missing(config: &Config) -> anyhow::Error {
    anyhow::anyhow!(
        "the database belongs to a registry whose secrets are encrypted with a key that this node does not have. Copy the key from \
         another node: the file that secrets.key_file names there, else keys/seal.key in its data directory; put it at a path of this \
         machine (mode 0600, such as /etc/portcullis/registry.key), and set secrets.key_file to it{}",
        config.database.url.as_ref().map(|url| format!(" (database: {url})")).unwrap_or_default()
    )
}

fn another(config: &Config, data: &DataDirectory) -> anyhow::Error {
    let file = key_file(config, data);
    anyhow::anyhow!(
        "the key in {} is not the one that the secrets in the database are encrypted with. Copy the key from another node (the file \
         that secrets.key_file names there, else keys/seal.key in its data directory) and set secrets.key_file to it; or give this \
         node the database that belongs to its key",
        file.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_or_base64_of_them() {
        let key = DataKey::generate();
        let is_the_key = |content: &[u8]| parse(content).is_some_and(|found| found.expose() == key.expose());
        assert!(is_the_key(key.expose()) && is_the_key(to_text(&key).as_bytes()));
        assert!(is_the_key(format!("  {}\r\n", STANDARD.encode(key.expose())).as_bytes()));
        for wrong in [&b""[..], b"short", &[0; 31], &[0; 33], STANDARD.encode([1; 31]).as_bytes()] {
            assert!(parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
