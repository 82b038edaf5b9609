//! `[database]`: where everything but the content of blobs is kept.

use std::path::PathBuf;

use crate::config::{DatabasePassword, DatabaseUrl, definition::settings};

settings! {
    /// The section `[database]`.
    DatabaseSettings {
        /// The PostgreSQL database (version 15 or newer), such as
        /// "postgres://portcullis@db.example.com/portcullis?sslmode=verify-full&sslrootcert=/etc/portcullis/db-ca.pem". The
        /// user needs the right to create tables there. A server on another machine must prove its name by a certificate
        /// unless sslmode says otherwise. "none": a file in data_dir (SQLite), which needs no other service.
        url: Option<DatabaseUrl> = None;

        /// A file with the password, which only Portcullis can read. "none": the server asks for none, or the environment has it.
        password_file: Option<PathBuf> = None;

        /// Never in a file: the environment variable PORTCULLIS_DATABASE_PASSWORD sets it, as does a password in the address
        /// that PORTCULLIS_DATABASE_URL gives.
        password: Option<DatabasePassword> = None;

        /// Whether a pooler such as PgBouncer stands between that gives each transaction another connection.
        pooler: bool = false;
    }
}

impl DatabaseSettings {
    /// Whether other nodes may use the database too. A file belongs to one node.
    pub(crate) fn is_shared(&self) -> bool {
        self.url.is_some()
    }
}
