//! What the operator wrote, parsed into a configuration that is valid by construction.
//!
//! Four sources, the strongest first: the command line's flags ([`Overrides`]), the variables
//! `PORTCULLIS_<SECTION>_<KEY>` ([`Environment`]), the file (`--config`, else `PORTCULLIS_CONFIG`, else `/etc/portcullis/portcullis.toml` if it
//! exists), the defaults. [`Config::load`] reads each key from all of them, checks it, and remembers where the value in
//! force came from ([`Provenance`]). Errors are gathered, so that one run shows all that has to be fixed.
//!
//! A new key is one definition in `sections/` (`definition.rs`): field, default, parsing, check and documentation. The room that
//! obeys it takes the section, so its use there is all that is left to write; `config/portcullis.toml` is printed from the
//! definitions (`portcullis config default`), and a test fails if it differs.

mod agreement;
mod byte_size;
mod checks;
mod conflicts;
mod data_directory;
mod database_password;
mod database_url;
mod definition;
mod document;
mod duration;
mod endpoint_url;
mod environment;
mod error;
mod host_name;
mod nearest;
mod overrides;
mod provenance;
mod public_url;
mod reader;
mod redirect_rule;
mod sample;
mod sections;
mod service_link;
mod setting;
#[cfg(test)]
mod tests;
mod unknown;
mod web_origin;
mod word;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::{
    byte_size::ByteSize,
    database_password::DatabasePassword,
    database_url::DatabaseUrl,
    endpoint_url::EndpointUrl,
    environment::Environment,
    error::{ConfigError, ConfigErrors},
    overrides::Overrides,
    provenance::{Entry, Provenance, Source},
    public_url::PublicUrl,
    redirect_rule::RedirectRule,
    sections::{
        AcmeChallenge, AcmeSettings, AuthChallenge, AuthSettings, BlobSettings, BlobStoreKind,
        ClientCertificateSettings, Config, DatabaseSettings, DeleteSettings, ExternalAccount, GcSettings,
        LimitSettings, LogFormat, LogSettings, OperatorPair, PullSettings, S3Settings, ScrubSettings, SecretsSettings,
        ServerSettings, StorageSettings, TlsSettings, TrashSettings,
    },
    web_origin::WebOrigin,
};
pub(crate) use self::{byte_size::parse_size, duration::parse_duration, sample::sample};
use self::{document::Document, reader::Reader};

/// A configuration with its sources and warnings.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Every key with its value and source.
    pub provenance: Provenance,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Lines for the log: variables that look like ours and set nothing.
    pub warnings: Vec<String>,
}

/// The configuration file, read once: a program that gives up its rights after that may not be able to read it again.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    content: Result<Vec<u8>, Arc<std::io::Error>>,
}

impl ConfigFile {
    /// Reads the file that is named, or the system's file if it exists; `None` if neither exists.
    pub(crate) fn read(overrides: &Overrides, environment: &Environment) -> Option<Self> {
        let path = file(overrides, environment)?;
        let content = document::read(&path).map_err(Arc::new);
        Some(Self { path, content })
    }
}

impl Config {
    /// Reads the configuration from all its sources.
    pub fn load(overrides: &Overrides, environment: &Environment) -> Result<Loaded, ConfigErrors> {
        Self::load_from(ConfigFile::read(overrides, environment).as_ref(), overrides, environment)
    }

    /// The same with the file read already.
    pub(crate) fn load_from(
        file: Option<&ConfigFile>,
        overrides: &Overrides,
        environment: &Environment,
    ) -> Result<Loaded, ConfigErrors> {
        let Some(ConfigFile { path, content }) = file else {
            return assemble(overrides, environment, None, Vec::new());
        };
        match content {
            Ok(bytes) => Self::parse(path, bytes, overrides, environment),
            Err(reason) => {
                let error = ConfigError::Unreadable { path: path.clone(), reason: Arc::clone(reason) };
                assemble(overrides, environment, None, vec![error])
            }
        }
    }

    /// The same with the bytes of the file already read; `path` names them in messages, and its directory is where
    /// relative paths in it start.
    pub fn parse(
        path: &Path,
        bytes: &[u8],
        overrides: &Overrides,
        environment: &Environment,
    ) -> Result<Loaded, ConfigErrors> {
        match Document::parse(path, bytes) {
            Ok(document) => {
                let loaded = assemble(overrides, environment, Some(&document), Vec::new())?;
                Ok(Loaded { file: Some(path.to_owned()), ..loaded })
            }
            Err(errors) => assemble(overrides, environment, None, errors),
        }
    }
}

/// The file to read: `--config`, `PORTCULLIS_CONFIG`, or the system's if it exists.
fn file(overrides: &Overrides, environment: &Environment) -> Option<PathBuf> {
    let named = overrides.config.clone();
    named
        .or_else(|| environment.get(unknown::FILE_VARIABLE).map(PathBuf::from))
        .or_else(|| environment.system_file().map(Path::to_owned))
}

/// Reads all sections and what is wrong with them; `errors` are those of the file itself.
fn assemble(
    overrides: &Overrides,
    environment: &Environment,
    document: Option<&Document<'_>>,
    mut errors: Vec<ConfigError>,
) -> Result<Loaded, ConfigErrors> {
    let mut reader = Reader::new(overrides, environment, document);
    let config = Config::read(&mut reader, environment);
    conflicts::note(&config, &mut reader);
    let known = reader.known();
    let (provenance, mut found) = reader.finish();
    errors.append(&mut found);
    // Only a default can be empty, and only if the user has no home; a path that is set never is.
    if config.data_dir.as_os_str().is_empty() && !errors.iter().any(about_data_dir) {
        errors.push(ConfigError::NoDataDir);
    }
    errors.extend(document.map(|document| unknown::in_document(document, &known)).unwrap_or_default());
    errors.extend(unknown::in_environment(environment, &known));
    ConfigErrors::unless_empty(errors)?;
    Ok(Loaded { config, provenance, file: None, warnings: unknown::warnings(environment, &known) })
}

fn about_data_dir(error: &ConfigError) -> bool {
    match error {
        ConfigError::Value { key, .. } => key == "data_dir",
        // The key may be in the file that could not be parsed.
        ConfigError::Unreadable { .. } | ConfigError::NotText { .. } | ConfigError::Syntax { .. } => true,
        _ => false,
    }
}
