//! One file per section: its keys, their defaults and bounds, and what they mean.

mod acme;
mod auth;
mod client_certificates;
mod database;
mod delete;
mod limits;
mod log;
mod secrets;
mod server;
mod storage;
mod tls;

use std::path::PathBuf;

pub use self::{
    acme::{AcmeChallenge, AcmeSettings, ExternalAccount},
    auth::{AuthChallenge, AuthSettings},
    client_certificates::ClientCertificateSettings,
    database::DatabaseSettings,
    delete::DeleteSettings,
    limits::LimitSettings,
    log::{LogFormat, LogSettings},
    secrets::SecretsSettings,
    server::ServerSettings,
    storage::StorageSettings,
    tls::{OperatorPair, TlsSettings},
};
use super::{
    data_directory,
    definition::{SampleKey, Section},
    environment::Environment,
    reader::Reader,
};

/// Defines [`Config`] from its sections, in the order of the sample.
macro_rules! sections {
    ($( $(#[doc = $about:literal])+ $name:ident: $settings:ty, )+) => {
        /// All settings of one Portcullis.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            /// The directory of blobs, database and keys; an absolute path.
            pub data_dir: PathBuf,
            $( $(#[doc = $about])+ pub $name: $settings, )+
        }

        /// The names of all sections.
        pub(super) const SECTIONS: &[&str] = &[$( stringify!($name) ),+];

        impl Config {
            /// Reads all keys; those of each section are checked one by one.
            pub(super) fn read(reader: &mut Reader<'_>, environment: &Environment) -> Self {
                Self {
                    data_dir: data_directory::read(&mut reader.top(), environment),
                    $( $name: <$settings>::read(&mut reader.section(stringify!($name))), )+
                }
            }
        }

        /// Every section with its keys for the sample.
        pub(super) fn samples() -> Vec<(&'static str, Vec<SampleKey>)> {
            vec![$( (stringify!($name), <$settings>::sample()) ),+]
        }
    };
}

sections! {
    /// Listening and connections.
    server: ServerSettings,
    /// The certificate.
    tls: TlsSettings,
    /// A certificate by ACME.
    acme: AcmeSettings,
    /// Certificates of clients.
    client_certificates: ClientCertificateSettings,
    /// Passwords and tokens.
    auth: AuthSettings,
    /// Where everything but the content of blobs is kept.
    database: DatabaseSettings,
    /// The key that encrypts secrets.
    secrets: SecretsSettings,
    /// The disk.
    storage: StorageSettings,
    /// Sizes and counts of what clients send.
    limits: LimitSettings,
    /// Deleting through the API.
    delete: DeleteSettings,
    /// Logging.
    log: LogSettings,
}
