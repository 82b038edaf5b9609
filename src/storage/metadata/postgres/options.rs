//! Which database it is, and how it is reached.

use std::fmt;
use std::net::IpAddr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::error::failed;
use crate::storage::StorageError;

/// More statements than there are, so that each is parsed once per connection.
const STATEMENT_CACHE: usize = 300;
/// What the server does where it is not asked through a pooler, which passes no settings on: a statement ends after a while, and a
/// transaction whose node is gone does not hold its locks.
const LIMITS: [(&str, &str); 2] = [("statement_timeout", "60s"), ("idle_in_transaction_session_timeout", "10s")];

/// Which database, and how it is reached.
#[derive(Clone)]
pub struct PostgresOptions {
    connect: PgConnectOptions,
    pub(super) pooler: bool,
}

impl PostgresOptions {
    /// The database at `url` (`postgres://USER@HOST/DATABASE?sslmode=...`), with the password where the server asks for one. `pooler` says
    /// that a pooler stands between which hands each transaction to any of its connections. A server on another machine must prove its name
    /// by a certificate, unless the address says otherwise: passwords and keys travel there.
    pub fn new(url: &str, password: Option<&str>, pooler: bool) -> Result<Self, StorageError> {
        let mut connect: PgConnectOptions = url.parse().map_err(failed)?;
        if !is_this_machine(&connect) {
            connect = protected(connect, url.contains("sslmode=") || url.contains("ssl-mode="));
        }
        if let Some(password) = password {
            connect = connect.password(password);
        }
        // Poolers refuse what they do not know, and nothing here is a fraction.
        Ok(Self { connect: connect.application_name("portcullis").extra_float_digits(None), pooler })
    }

    /// For a connection that is used once, to change the schema: that may take long.
    pub(in crate::storage::metadata) fn once(&self) -> PgConnectOptions {
        self.connect.clone().statement_cache_capacity(0)
    }

    /// For the connections that serve requests. They keep no statements where each transaction may reach another one of the server.
    pub(super) fn cached(&self) -> PgConnectOptions {
        let connect = self.connect.clone();
        if self.pooler {
            return connect.statement_cache_capacity(0);
        }
        connect.statement_cache_capacity(STATEMENT_CACHE).options(LIMITS)
    }
}

/// Without the password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port, user) = (self.connect.get_host(), self.connect.get_port(), self.connect.get_username());
        f.debug_struct("PostgresOptions")
            .field("host", &host)
            .field("port", &port)
            .field("user", &user)
            .field("database", &self.connect.get_database())
            .field("pooler", &self.pooler)
            .finish_non_exhaustive()
    }
}

/// To another machine: with a server that proves its name, unless the operator has decided otherwise.
fn protected(connect: PgConnectOptions, is_chosen: bool) -> PgConnectOptions {
    let mode = connect.get_ssl_mode();
    if !is_chosen {
        return connect.ssl_mode(PgSslMode::VerifyFull);
    }
    if !matches!(mode, PgSslMode::VerifyFull) {
        tracing::warn!(
            host = connect.get_host(),
            ?mode,
            "the database server does not prove its name: passwords and keys go to any machine that answers there; \
             sslmode=verify-full in database.url checks it"
        );
    }
    connect
}

fn is_this_machine(connect: &PgConnectOptions) -> bool {
    let host = connect.get_host();
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    connect.get_socket().is_some() || host.starts_with('/') || host == "localhost" || is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_another_machine_proves_its_name_unless_the_address_says_otherwise() {
        let mode = |url: &str| PostgresOptions::new(url, None, false).unwrap().connect.get_ssl_mode();
        assert!(matches!(mode("postgres://db.example.com/name"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://10.0.0.1/name?sslmode=require"), PgSslMode::Require));
        for here in ["postgres://localhost/name", "postgres://127.0.0.1/name", "postgres:///name?host=/run/postgresql"]
        {
            assert!(!matches!(mode(here), PgSslMode::VerifyFull), "{here}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let options = PostgresOptions::new("postgres://u:secret1@db/name", Some("secret2"), false).unwrap();
        let shown = format!("{options:?}");
        assert!(!shown.contains("secret1") && !shown.contains("secret2"), "{shown}");
    }
}
