//! Certificates and keys under a passphrase: with them, hosts trust the restored registry as before, and tokens stay valid.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::auth::{DataKey, PassphraseSalt};
use crate::config::Config;
use crate::node::data_directory::DataDirectory;
use crate::node::secrets;
use crate::node::shared::{RegistryFiles, files_from_text, files_to_text};
use crate::pki::{KeptFiles, write_key};
use crate::storage::metadata::Metadata;

/// How the key is derived from the passphrase.
const DERIVATION: &str = "argon2id, 64 MiB, 3 passes";

/// The file of a backup.
#[derive(Serialize, Deserialize)]
struct Sealed {
    derivation: String,
    salt: String,
    content: String,
}

/// The keys of a registry.
pub(super) struct Keys {
    data_key: DataKey,
    files: KeptFiles,
}

/// Seals those of the registry.
pub(super) async fn seal(
    config: &Config,
    data: &DataDirectory,
    metadata: &Arc<dyn Metadata>,
    passphrase: &str,
) -> anyhow::Result<Vec<u8>> {
    let data_key = secrets::data_key(config, data, &**metadata).await?;
    let files = RegistryFiles::of_command(config, data, metadata, &data_key);
    let files = files.read(|data| Ok(KeptFiles::read(data.path())?)).await?;
    // The key on a line of its own, then the files.
    let text = Zeroizing::new(secrets::to_text(&data_key).to_string() + &files_to_text(&files));
    let salt = PassphraseSalt::draw();
    let sealed = salt.key_of(passphrase)?.encrypt_files(text.as_bytes())?;
    let file =
        Sealed { derivation: DERIVATION.to_owned(), salt: STANDARD.encode(salt.0), content: STANDARD.encode(sealed) };
    Ok(serde_json::to_vec_pretty(&file)?)
}

/// Opens them.
pub(super) fn open(file: &[u8], passphrase: &str) -> anyhow::Result<Keys> {
    let damaged = "the keys in the backup are damaged";
    let sealed: Sealed = serde_json::from_slice(file).context(damaged)?;
    if sealed.derivation != DERIVATION {
        bail!("the keys in the backup are sealed in a way that this version does not know ({})", sealed.derivation);
    }
    let salt = STANDARD.decode(&sealed.salt).ok().and_then(|salt| salt.try_into().ok()).context(damaged)?;
    let body = STANDARD.decode(&sealed.content).context(damaged)?;
    let text = PassphraseSalt(salt).key_of(passphrase)?.decrypt_files(&body).map_err(|_| {
        anyhow::anyhow!(
            "the passphrase does not open the keys in the backup: give the one that it was made with; nothing changed"
        )
    })?;
    let end = text.iter().position(|byte| *byte == b'\n').context(damaged)?;
    let data_key = secrets::parse(&text[..end]).context(damaged)?;
    let files = files_from_text(&text[end + 1..]).context(damaged)?;
    Ok(Keys { data_key, files })
}

impl Keys {
    /// Refuses if the configuration names a file with another key.
    pub(super) fn require_place(&self, config: &Config) -> anyhow::Result<()> {
        let Some(path) = config.secrets.key_file.as_deref().filter(|path| path.exists()) else { return Ok(()) };
        if secrets::read_key_file(path)?.expose() != self.data_key.expose() {
            bail!(
                "{} (secrets.key_file) has another key than the backup: move that file away, so that the key of the backup takes its place",
                path.display()
            );
        }
        Ok(())
    }

    /// Puts them where the configuration says.
    pub(super) fn install(&self, config: &Config, data: &DataDirectory) -> anyhow::Result<()> {
        match config.secrets.key_file.as_deref() {
            Some(path) if path.exists() => {}
            Some(path) => self.write(path)?,
            None => {
                std::fs::create_dir_all(data.path().join("keys"))?;
                self.write(&data.data_key_file())?;
            }
        }
        self.files.install(data.path())?;
        Ok(())
    }

    fn write(&self, path: &Path) -> anyhow::Result<()> {
        Ok(write_key(path, secrets::to_text(&self.data_key).as_bytes())?)
    }
}
