//! `[secrets]`: the key that encrypts the secrets in the database.

use std::path::PathBuf;

use crate::config::definition::settings;

settings! {
    /// The section `[secrets]`.
    SecretsSettings {
        /// A file with the key that encrypts the secrets in the database: 32 random bytes, as they are or in base64
        /// ("openssl rand -base64 32"), readable by Portcullis alone. Every node of a registry is given the same key. "init"
        /// makes the file if it is missing. "none": a key in data_dir, made at the first start.
        key_file: Option<PathBuf> = None;
    }
}
