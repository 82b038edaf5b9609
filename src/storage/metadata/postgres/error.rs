//! What goes wrong in `PostgreSQL`, in the words of storage. No code of it leaves this backend.

use std::io::ErrorKind;
use std::sync::Arc;

use crate::storage::StorageError;

/// `PostgreSQL`'s codes (appendix A of its manual) that mean something of their own here.
mod code {
    /// Two transactions got in each other's way; one that was run again would not.
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK: &str = "40P01";
    /// Both made the same row; run again, the operation finds it.
    pub(super) const UNIQUE_VIOLATION: &str = "23505";
    /// A row that the operation had found was removed meanwhile.
    pub(super) const FOREIGN_KEY_VIOLATION: &str = "23503";
    /// The server has become read-only: another one has taken over.
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const DUPLICATE_TABLE: &str = "42P07";
    pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
    pub(super) const DISK_FULL: &str = "53100";
    pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";
    /// The server's limit for a statement.
    pub(super) const CANCELLED: &str = "57014";
    /// It is shutting down, was shut down, or is starting.
    pub(super) const OPERATOR: &str = "57P0";
    /// Class 08: the connection broke. A pooler that cannot reach the server says so too.
    pub(super) const CONNECTION: &str = "08";
    pub(super) const WRONG_PASSWORD: &str = "28P01";
    pub(super) const WRONG_USER: &str = "28000";
    pub(super) const NO_DATABASE: &str = "3D000";
    pub(super) const NOT_PERMITTED: &str = "42501";
    /// A prepared statement is there already, or is not.
    pub(super) const SAME_STATEMENT: &str = "42P05";
    pub(super) const NO_STATEMENT: &str = "26000";
    pub(super) const DATA_CORRUPTED: &str = "XX001";
    pub(super) const INDEX_CORRUPTED: &str = "XX002";
}

const DATABASE: &str = "the metadata database";
const POOLER: &str = "the metadata database: a pooler such as PgBouncer is in between; set database.pooler = true";
const CERTIFICATE: &str = "the metadata database: its certificate is not accepted; database.url must name the server as its certificate \
                           does, and the CA that signed it by sslrootcert=FILE";
const NO_TLS: &str = "the metadata database: the server offers no TLS; enable it there (ssl = on), or say in database.url that it is \
                      not wanted: sslmode=disable";
const PASSWORD: &str = "the metadata database does not accept the user or the password; check the user in database.url, and \
                        database.password_file or PORTCULLIS_DATABASE_PASSWORD";
const NO_DATABASE: &str = "the metadata database does not exist; create it: createdb --owner USER NAME";
const RIGHTS: &str =
    "the metadata database: the user in database.url must own the database, or at least the schema public";

/// In the words of storage.
pub(super) fn failed(error: sqlx::Error) -> StorageError {
    let code = code_of(&error);
    let with = |context: &str, error| StorageError::Failed { context: context.to_owned(), source: Arc::new(error) };
    match code.as_deref() {
        Some(code::DISK_FULL) => return StorageError::Full("the disk of the metadata database".to_owned()),
        Some(code::DATA_CORRUPTED | code::INDEX_CORRUPTED) => {
            return StorageError::Damaged(format!("{DATABASE}: {error}"));
        }
        Some(code::WRONG_PASSWORD | code::WRONG_USER) => return with(PASSWORD, error),
        Some(code::NO_DATABASE) => return with(NO_DATABASE, error),
        Some(code::NOT_PERMITTED) => return with(RIGHTS, error),
        Some(code::CANCELLED) => return StorageError::Busy(format!("{DATABASE}: {error}")),
        _ => {}
    }
    match &error {
        _ if is_of_a_pooler(&error) => with(POOLER, error),
        _ if is_of_certificates(&error) => with(CERTIFICATE, error),
        sqlx::Error::Tls(_) => with(NO_TLS, error),
        _ if gets_in_the_way(&error) => StorageError::Busy(format!("{DATABASE}: {error}")),
        sqlx::Error::PoolTimedOut => StorageError::Busy(format!("{DATABASE}: every connection is in use for long")),
        _ if is_broken(&error) || is_full(&error) => StorageError::Unavailable(format!("{DATABASE}: {error}")),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => {
            StorageError::Damaged(format!("a row of {DATABASE}: {error}"))
        }
        _ => with(DATABASE, error),
    }
}

/// Whether another try may succeed, because nothing was changed and the cause passes soon.
pub(super) fn passes(error: &sqlx::Error) -> bool {
    gets_in_the_way(error) || is_full(error) || is_broken(error) && !is_too_slow(error) && !is_of_certificates(error)
}

/// How a connection came to be of no more use, as may be all that were made with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It ended, or the server said so.
    Ended,
    /// The server did not answer in time.
    Silent,
}

/// How the connection was broken, if it was.
pub(super) fn broken(error: &sqlx::Error) -> Option<Broken> {
    if is_too_slow(error) {
        return Some(Broken::Silent);
    }
    is_broken(error).then_some(Broken::Ended)
}

fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        _ => {
            code_of(error).is_some_and(|code| {
                code == code::READ_ONLY || code.starts_with(code::OPERATOR) || code.starts_with(code::CONNECTION)
            }) && !is_of_a_pooler(error)
        }
    }
}

/// Whether the answer to a COMMIT is missing, so that it may have been carried out or not.
pub(super) fn leaves_it_open(error: &sqlx::Error) -> bool {
    is_broken(error) && code_of(error).is_none_or(|code| code != code::READ_ONLY)
}

/// Whether another session held a lock for too long, or made the same table at the same time.
pub(super) fn is_in_the_way(error: &sqlx::Error) -> bool {
    let codes = [code::LOCK_NOT_AVAILABLE, code::DEADLOCK, code::UNIQUE_VIOLATION, code::DUPLICATE_TABLE];
    code_of(error).is_some_and(|code| codes.contains(&code.as_str()))
}

/// A task that panics only through a defect, and is cancelled only when the program ends.
pub(super) fn ended(error: tokio::task::JoinError) -> StorageError {
    StorageError::Failed { context: format!("a task of {DATABASE}"), source: Arc::new(error) }
}

/// Whether another transaction did.
fn gets_in_the_way(error: &sqlx::Error) -> bool {
    let codes = [code::SERIALIZATION_FAILURE, code::DEADLOCK, code::UNIQUE_VIOLATION, code::FOREIGN_KEY_VIOLATION];
    code_of(error).is_some_and(|code| codes.contains(&code.as_str()))
}

fn is_full(error: &sqlx::Error) -> bool {
    code_of(error).is_some_and(|code| code == code::TOO_MANY_CONNECTIONS)
}

fn is_too_slow(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == ErrorKind::TimedOut)
}

/// Whether it only happens where the server's connection changes between transactions.
fn is_of_a_pooler(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    let statement = error.code().is_some_and(|code| [code::SAME_STATEMENT, code::NO_STATEMENT].contains(&&*code));
    statement || error.message().contains("unsupported startup parameter")
}

/// Whether this is about the server's certificate, or ours.
fn is_of_certificates(error: &sqlx::Error) -> bool {
    let cause = match error {
        sqlx::Error::Io(error) => error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()),
        sqlx::Error::Tls(cause) => cause.downcast_ref::<rustls::Error>(),
        _ => None,
    };
    matches!(cause, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

fn code_of(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}
