//! One file per section: its keys, their defaults and bounds, and what they mean.

mod acme;
mod auth;
mod blobs;
mod blobs_s3;
mod client_certificates;
mod database;
mod delete;
mod gc;
mod limits;
mod log;
mod pulls;
mod scrub;
mod secrets;
mod server;
mod storage;
mod tls;
mod trash;

use std::path::PathBuf;

pub use self::{
    acme::{AcmeChallenge, AcmeSettings, ExternalAccount},
    auth::{AuthChallenge, AuthSettings},
    blobs::{BlobSettings, BlobStoreKind},
    blobs_s3::S3Settings,
    client_certificates::ClientCertificateSettings,
    database::DatabaseSettings,
    delete::DeleteSettings,
    gc::GcSettings,
    limits::LimitSettings,
    log::{LogFormat, LogSettings},
    pulls::PullSettings,
    scrub::ScrubSettings,
    secrets::SecretsSettings,
    server::ServerSettings,
    storage::StorageSettings,
    tls::{OperatorPair, TlsSettings},
    trash::TrashSettings,
};
use super::{
    data_directory,
    definition::{SampleKey, Section},
    environment::Environment,
    reader::Reader,
};

/// Defines [`Config`] from its sections, in the order of the sample. One that is part of another is written with its whole name.
macro_rules! sections {
    ($( $(#[doc = $about:literal])+ $name:ident $(as $whole:literal)?: $settings:ty, )+) => {
        /// All settings of one Portcullis.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            /// The directory of blobs, database and keys; an absolute path.
            pub data_dir: PathBuf,
            $( $(#[doc = $about])+ pub $name: $settings, )+
        }

        /// The names of all sections.
        pub(super) const SECTIONS: &[&str] = &[$( sections!(@name $name $($whole)?) ),+];

        impl Config {
            /// Reads all keys; those of each section are checked one by one.
            pub(super) fn read(reader: &mut Reader<'_>, environment: &Environment) -> Self {
                Self {
                    data_dir: data_directory::read(&mut reader.top(), environment),
                    $( $name: <$settings>::read(&mut reader.section(sections!(@name $name $($whole)?))), )+
                }
            }

            /// Every key of a section with its value, as a file would have it.
            pub(super) fn values(&self) -> Vec<(String, toml::Value)> {
                let mut all = Vec::new();
                $( all.extend(self.$name.values().into_iter().map(|(key, value)| (format!("{}.{key}", sections!(@name $name $($whole)?)), value))); )+
                all
            }
        }

        /// Every section with its keys for the sample.
        pub(super) fn samples() -> Vec<(&'static str, Vec<SampleKey>)> {
            vec![$( (sections!(@name $name $($whole)?), <$settings>::sample()) ),+]
        }
    };
    (@name $name:ident) => { stringify!($name) };
    (@name $name:ident $whole:literal) => { $whole };
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
    /// Where the content of blobs is kept.
    blobs: BlobSettings,
    /// The bucket of an object store.
    blobs_s3 as "blobs.s3": S3Settings,
    /// The disk.
    storage: StorageSettings,
    /// Sizes and counts of what clients send.
    limits: LimitSettings,
    /// Deleting through the API.
    delete: DeleteSettings,
    /// Garbage collection.
    gc: GcSettings,
    /// What was deleted and can be restored.
    trash: TrashSettings,
    /// Last pulls.
    pulls: PullSettings,
    /// Reading back what is stored.
    scrub: ScrubSettings,
    /// Logging.
    log: LogSettings,
}
