//! Why a registry was not trusted, or trust not removed: what, where, what to do. The cause is part of the text itself, so no error
//! has a source that would be printed behind it once more.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::net::Fingerprint;

/// An error of the client's side. Where it says so, nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The host can be in no certificate.
    #[error("`{host}` cannot appear in a certificate: write a host name or an IP address")]
    BadName {
        /// What was written.
        host: String,
    },
    /// No answer.
    #[error(
        "cannot connect to {address}: {cause}; check the name, the port, and that the registry runs. Nothing was written"
    )]
    Unreachable {
        /// `HOST:PORT`.
        address: String,
        /// Why.
        cause: io::Error,
    },
    /// The server takes too long.
    #[error(
        "{address} did not finish its answer within {seconds} s; try again, or give it longer with --timeout. Nothing was written"
    )]
    Slow {
        /// `HOST:PORT`.
        address: String,
        /// The limit.
        seconds: u64,
    },
    /// It does not speak TLS.
    #[error(
        "{address} does not speak TLS ({cause}); check the port: a registry over plain HTTP cannot be trusted. Nothing was written"
    )]
    NoTls {
        /// `HOST:PORT`.
        address: String,
        /// What the TLS library says.
        cause: io::Error,
    },
    /// The answer is truncated or not valid HTTP.
    #[error(
        "the answer of {url} was truncated or is not valid HTTP ({reason}); try again, and ask the registry's operator if it stays so. Nothing was written"
    )]
    BadAnswer {
        /// What was asked for.
        url: String,
        /// What the HTTP library says.
        reason: String,
    },
    /// The CA file is elsewhere, they say.
    #[error(
        "{url} redirects to {location}, and redirects are not followed: name the registry's own host and port. Nothing was written"
    )]
    Redirected {
        /// What was asked for.
        url: String,
        /// Where it points, quoted.
        location: String,
    },
    /// There is no CA file.
    #[error(
        "{url} answers {status}: this is not a Portcullis registry, or its certificate was not made by a CA of its own: a public CA needs no `trust`, for the operator's own give `--ca-file FILE`. Nothing was written"
    )]
    NoAuthorityFile {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// More bytes than a CA has.
    #[error(
        "{url} is larger than {limit} bytes, which no CA certificate is; ask the registry's operator. Nothing was written"
    )]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not exactly one certificate.
    #[error("{url} is not exactly one certificate: {reason}; ask the registry's operator. Nothing was written")]
    NotOneCertificate {
        /// What was asked for.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A file that does not tell which CA to trust.
    #[error("{name} does not name the registry's CA: {reason}. Nothing was written")]
    NotOneRoot {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The wrong CA.
    #[error(
        "REFUSED: the CA at {url} has SHA-256 {found}, not the pinned {pin}: the pin is of another registry or an old CA, or \
         someone intercepts the connection; ask the registry's operator for `portcullis ca show`. Nothing was written"
    )]
    WrongPin {
        /// Where it came from.
        url: String,
        /// What is there.
        found: Fingerprint,
        /// What should be.
        pin: Fingerprint,
    },
    /// The CA to trust was not given.
    #[error(
        "`trust` has not been used for {registry} on this host, so it needs the pin: --ca-sha256 HEX, as `portcullis ca show` prints it \
         on the server (or --ca-file FILE, where the CA is the operator's own). Nothing was written"
    )]
    NoPin {
        /// The registry.
        registry: String,
    },
    /// The pinned CA has not signed a transition to the CA that is served.
    #[error(
        "REFUSED: the registry has another CA, and the cross-certificate at {url} by which the pinned one would vouch for it does not \
         hold: {reason}; ask the registry's operator for `portcullis ca show`. Nothing was written"
    )]
    FalseStatement {
        /// Where the statement came from.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate that signs nothing.
    #[error(
        "the pinned certificate at {url} is not a CA ({reason}): pin the CA that `portcullis ca show` names. Nothing was written"
    )]
    NoAuthority {
        /// Where it came from.
        url: String,
        /// Why it is none.
        reason: &'static str,
    },
    /// Past its end.
    #[error(
        "the CA at {url} expired on {not_after}: the registry needs a new one (`portcullis ca rotate` there), and this host the new pin. Nothing was written"
    )]
    Expired {
        /// Where it came from.
        url: String,
        /// Its end.
        not_after: jiff::Timestamp,
    },
    /// Before its beginning.
    #[error("the CA at {url} is valid only from {not_before}: check this host's clock. Nothing was written")]
    NotYetValid {
        /// Where it came from.
        url: String,
        /// Its beginning.
        not_before: jiff::Timestamp,
    },
    /// It may not sign for this host.
    #[error(
        "the CA at {url} may not sign for `{host}` (its constraints permit {permitted}): name the registry as it is in its \
         certificate, or have its CA made for `{host}` too. Nothing was written"
    )]
    NotPermitted {
        /// Where it came from.
        url: String,
        /// The name in use.
        host: String,
        /// What its constraints permit.
        permitted: String,
    },
    /// The second connection was not what the CA vouches for.
    #[error(
        "REFUSED: with the pinned CA as the only root, the certificate of {address} does not verify ({cause}): it is not from \
         that CA or not for this name, or someone intercepts the connection. Nothing was written"
    )]
    NotVerified {
        /// `HOST:PORT`.
        address: String,
        /// What the TLS library says.
        cause: io::Error,
    },
    /// The pinned CA is usable in no TLS library.
    #[error("the TLS library does not take the CA at {url} as a root ({cause}). Nothing was written")]
    UnusableRoot {
        /// Where it came from.
        url: String,
        /// What the TLS library says.
        cause: rustls::Error,
    },
    /// Verified, but no registry.
    #[error("{url} answers {status}{} a registry's header: check the port. Nothing was written", if *has_header { " with" } else { " without" })]
    NoRegistry {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Whether `Docker-Distribution-Api-Version` was there.
        has_header: bool,
    },
    /// Another CA is there.
    #[error("{} holds another CA ({found}): `--replace` replaces it with the pinned one. Nothing was written", path.display())]
    AnotherAuthority {
        /// The file.
        path: PathBuf,
        /// Its SHA-256, or what it is.
        found: String,
    },
    /// An OS whose store is unknown.
    #[error(
        "{} names no system whose store of CAs is known ({found}): add the CA by the system's own means, and run \
         this with --no-system. Nothing was changed", path.display()
    )]
    UnknownSystem {
        /// `os-release`.
        path: PathBuf,
        /// Its `ID` and `ID_LIKE`.
        found: String,
    },
    /// The store's command is not installed.
    #[error(
        "`{command}` is missing on this host: install the package ca-certificates and run this again. Nothing was changed"
    )]
    NoStoreCommand {
        /// The command.
        command: &'static str,
    },
    /// The store's command failed.
    #[error("`{}` failed ({reason}); {undone}", command.display())]
    StoreCommand {
        /// The command.
        command: PathBuf,
        /// How.
        reason: String,
        /// What became of the files.
        undone: &'static str,
    },
    /// A manifest that is none.
    #[error("the manifest {} is damaged ({reason}): remove by hand the files that it names, and then it", path.display())]
    InstallRecord {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another command changes what is trusted.
    #[error(
        "another `portcullis trust` or `untrust` has been at work for {seconds} s (it holds {}): wait for it, or end it, and try \
         again. Nothing was changed", path.display()
    )]
    Busy {
        /// The file of the lock.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Root was told to write into the home of a user, who could lead it anywhere.
    #[error(
        "{} belongs to another user, and this is root: run it as that user (without sudo), or without --user. Nothing was changed",
        path.display()
    )]
    HomeOfAnother {
        /// The directory.
        path: PathBuf,
    },
    /// A directory outside of what may be written.
    #[error("cannot {action} {}: {cause}{}", path.display(), advice(cause))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
}

impl TrustError {
    /// Wraps an I/O error with what was tried and where.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "; the file system is mounted read-only: on a system of that kind put the CA into its image, or use --user, or --no-system if it is the operating system's store"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on that disk and try again",
        io::ErrorKind::NotADirectory => "; a file stands where a directory has to be: move it away",
        io::ErrorKind::PermissionDenied => {
            "; run it as the owner of that place: as root (sudo) for the whole host, or with --user and your own HOME for \
             your rootless tools"
        }
        _ => "",
    }
}
