//! What the operator wrote, parsed into a configuration that is valid by construction.
//!
//! Four sources, the strongest first: the command line's flags ([`Overrides`]), the variables
//! `PORTCULLIS_<SECTION>_<KEY>` ([`Environment`]), the file (`--config`, else `PORTCULLIS_CONFIG`, else `/etc/portcullis/portcullis.toml` where it
//! exists), the defaults. [`Config::load`] reads each key from all of them, checks it, and remembers where the value in
//! force came from ([`Provenance`]). Errors are gathered, so that one run shows all there is to mend.
//!
//! A new key is one line in `sections/`, and its paragraph in `config/portcullis.toml`, which a test asks for.

mod byte_size;
mod document;
mod duration;
mod environment;
mod error;
mod host_name;
mod nearest;
mod overrides;
mod provenance;
mod public_url;
mod reader;
mod sections;
mod service_link;
mod setting;
#[cfg(test)]
mod tests;
mod unknown;
mod web_origin;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::byte_size::ByteSize;
pub use self::duration::parse_duration;
pub use self::environment::Environment;
pub use self::error::{ConfigError, ConfigErrors};
pub use self::overrides::Overrides;
pub use self::provenance::{Entry, Provenance, Source};
pub use self::public_url::PublicUrl;
pub use self::sections::{
    AcceptedCertificates, Acme, AcmeChallenge, Auth, Challenge, ClientCertificates, Delete, ExternalAccount, Limits,
    Log, LogFormat, OperatorPair, Server, Storage, Tls,
};
pub use self::web_origin::WebOrigin;
use self::{
    document::Document,
    reader::{Keys, Reader},
};
pub use crate::domain::HostName;

/// The sample file, every key commented out with its default: what `config default` prints.
pub const SAMPLE: &str = include_str!("../../config/portcullis.toml");

/// All settings of one Portcullis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where blobs, database and keys lie; an absolute path.
    pub data_dir: PathBuf,
    /// Listening and connections.
    pub server: Server,
    /// The certificate.
    pub tls: Tls,
    /// A certificate by ACME; `None`: switched off.
    pub acme: Option<Acme>,
    /// Certificates of clients.
    pub client_certificates: ClientCertificates,
    /// Passwords and tokens.
    pub auth: Auth,
    /// The disk.
    pub storage: Storage,
    /// Sizes and counts of what clients send.
    pub limits: Limits,
    /// Deleting through the API.
    pub delete: Delete,
    /// Logging.
    pub log: Log,
}

/// A configuration, and what there is to tell about it.
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
    /// Reads the file that is named, or the system's where it exists; `None` where there is none.
    pub fn read(overrides: &Overrides, environment: &Environment) -> Option<Self> {
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
    pub fn load_from(
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

    /// The same with the bytes of the file already at hand; `path` names them in messages, and its directory is where
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

/// The file to read: `--config`, `PORTCULLIS_CONFIG`, or the system's where it exists.
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
    let config = read_all(&mut reader, environment);
    let known = reader.known();
    let (provenance, mut found) = reader.finish();
    errors.append(&mut found);
    // Only a default can be empty, and only where the user has no home; a path that is set never is.
    if config.data_dir.as_os_str().is_empty() && !errors.iter().any(about_data_dir) {
        errors.push(ConfigError::NoDataDir);
    }
    errors.extend(document.map(|document| unknown::in_document(document, &known)).unwrap_or_default());
    errors.extend(unknown::in_environment(environment, &known));
    ConfigErrors::unless_empty(errors)?;
    Ok(Loaded { config, provenance, file: None, warnings: unknown::warnings(environment, &known) })
}

fn read_all(reader: &mut Reader<'_>, environment: &Environment) -> Config {
    let data_dir = data_dir(&mut reader.top(), environment);
    let server = Server::read(&mut reader.section("server"));
    let tls = Tls::read(&mut reader.section("tls"));
    let acme = Acme::read(&mut reader.section("acme"), &server, &tls);
    Config {
        data_dir,
        server,
        tls,
        acme,
        client_certificates: ClientCertificates::read(&mut reader.section("client_certificates")),
        auth: Auth::read(&mut reader.section("auth")),
        storage: Storage::read(&mut reader.section("storage")),
        limits: Limits::read(&mut reader.section("limits")),
        delete: Delete::read(&mut reader.section("delete")),
        log: Log::read(&mut reader.section("log")),
    }
}

fn data_dir(keys: &mut Keys<'_, '_>, environment: &Environment) -> PathBuf {
    keys.get("data_dir", environment.default_data_dir().unwrap_or_default())
}

fn about_data_dir(error: &ConfigError) -> bool {
    match error {
        ConfigError::Value { key, .. } => key == "data_dir",
        // The key may stand in the file that could not be understood.
        ConfigError::Unreadable { .. } | ConfigError::NotText { .. } | ConfigError::Syntax { .. } => true,
        _ => false,
    }
}
