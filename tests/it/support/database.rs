//! The database of a server, as another program has it: the file in its data directory, or its own on the database server.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis::domain::Clock;
use portcullis::storage::metadata::postgres::PostgresOptions;
use portcullis::storage::metadata::{self, Metadata};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::postgres;

/// The stories run on PostgreSQL where this variable of the environment is `postgresql`.
const VARIABLE: &str = "PORTCULLIS_TEST_DATABASE";

/// A database of its own on a database server, where the stories run on one.
pub fn of_this_run() -> Option<String> {
    match std::env::var(VARIABLE).ok().as_deref() {
        None | Some("sqlite") => None,
        Some("postgresql") => Some(postgres::database()),
        Some(other) => panic!("{VARIABLE} is {other:?}: sqlite or postgresql"),
    }
}

/// Where a server has its database.
pub enum Database {
    File(PathBuf),
    Server(String),
}

impl Database {
    /// The store in it.
    pub async fn open(&self) -> Arc<dyn Metadata> {
        match self {
            Self::File(path) => metadata::sqlite::open(path, Clock::system()).await.expect("the database opens"),
            Self::Server(url) => {
                let options = PostgresOptions::new(url, None, false).expect("an address");
                metadata::postgres::open(options, Clock::system()).await.expect("the database opens")
            }
        }
    }

    /// Runs statements that both engines know.
    pub async fn execute(&self, sql: &'static str) {
        match self {
            Self::File(path) => {
                let mut file = SqliteConnectOptions::new().filename(path).connect().await.expect("connected");
                sqlx::raw_sql(sql).execute(&mut file).await.expect("executed");
            }
            Self::Server(url) => {
                let mut server = postgres::connect(url).await;
                sqlx::raw_sql(sql).execute(&mut server).await.expect("executed");
            }
        }
    }

    /// Every byte that someone who steals it has.
    pub fn dump(&self) -> Vec<u8> {
        match self {
            Self::File(path) => {
                let mut bytes = std::fs::read(path).expect("the database");
                bytes.extend(std::fs::read(path.with_extension("db-wal")).unwrap_or_default());
                bytes
            }
            Self::Server(url) => postgres::dump(url),
        }
    }

    /// Whether this text is in it.
    pub fn holds(&self, text: &str) -> bool {
        self.dump().windows(text.len()).any(|part| part == text.as_bytes())
    }
}
