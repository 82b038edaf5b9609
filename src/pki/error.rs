//! What can go wrong with keys and certificates, in words that tell the operator where and what to do.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;

/// An error of the TLS layer. Every text names the file and the way out.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read, written or made.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(action, source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A private key that others than its owner may read or write.
    #[error("the private key {} has mode {mode:04o}, which lets others than its owner read or write it; {advice}", path.display())]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What fixes it, if this process runs there.
        advice: String,
    },
    /// The clock is behind this program's own making.
    #[error(
        "the clock of this machine says {now:.0}, but this program was built on {built:.0}: a CA that is made now is of no use once \
         the clock is right; set the clock first (timedatectl set-ntp true), then try again. Nothing changed"
    )]
    ClockBehind {
        /// What the clock says.
        now: Timestamp,
        /// When the program was built.
        built: Timestamp,
    },
    /// The root has expired.
    #[error(
        "the root certificate {} expired on {not_after}, and with it everything that it signs: run `portcullis ca rotate --at-once`, \
         then have every host trust the new CA (`portcullis ca trust-command`)", path.display()
    )]
    RootExpired {
        /// The root certificate.
        path: PathBuf,
        /// Its expiry.
        not_after: Timestamp,
    },
    /// The root is not valid yet.
    #[error(
        "the root certificate {} is valid only from {not_before}: check this machine's clock (timedatectl); if it is right, the CA was \
         made with a wrong one: run `portcullis ca rotate --at-once`, then have every host trust the new CA", path.display()
    )]
    RootNotYetValid {
        /// The root certificate.
        path: PathBuf,
        /// Its beginning.
        not_before: Timestamp,
    },
    /// A file that is too large to be a key or a chain.
    #[error("{} is larger than {limit} bytes, which no certificate chain or key is; give the PEM file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A text that is neither a host name nor an address.
    #[error("{reason}")]
    InvalidName {
        /// The text, and what is wrong with it.
        reason: String,
    },
    /// A certificate was asked for without a name.
    #[error("a certificate needs at least one name; give --host NAME")]
    NoNames,
    /// The directory has an authority already.
    #[error("{} exists already, nothing changed; `portcullis ca rotate` makes a new authority", path.display())]
    AuthorityExists {
        /// The directory of the authority.
        path: PathBuf,
    },
    /// The name is outside what the root certificate permits.
    #[error(
        "the certificate authority may not sign for `{name}` (only for {permitted} and names below them); \
         remove that name, or make a new authority with `portcullis ca rotate --host {name}`"
    )]
    NotPermitted {
        /// The refused name.
        name: String,
        /// What the root permits.
        permitted: String,
    },
    /// The issuing authority cannot continue and the root key is not here.
    #[error("the issuing certificate {} {problem} and the root key {} is not here to make a new one; bring it back", issuing.display(), root_key.display())]
    RootKeyMissing {
        /// The issuing certificate.
        issuing: PathBuf,
        /// Where the root key belongs.
        root_key: PathBuf,
        /// What is wrong with the issuing certificate.
        problem: String,
    },
    /// The root key is needed and not here.
    #[error("the root key is not here ({place}): run `portcullis ca unseal` first{hint}")]
    RootKeyAway {
        /// Where it is, as far as is known.
        place: &'static str,
        /// Another way out.
        hint: &'static str,
    },
    /// The root key would be moved to where it is not away.
    #[error(
        "{} is in the data directory: the root key is away only on another disk; give a file there; nothing changed",
        path.display()
    )]
    NotAway {
        /// Where it was to go.
        path: PathBuf,
    },
    /// A new file would take the place of another.
    #[error("{} exists already and is not overwritten: give the name of a new file; nothing changed", path.display())]
    FileExists {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to unseal.
    #[error("{} is not there: say with --from FILE where the root key was moved to", path.display())]
    NoSealedKey {
        /// Where a sealed key would be.
        path: PathBuf,
    },
    /// The passphrase is wrong.
    #[error("the passphrase does not open {}, nothing changed", path.display())]
    WrongPassphrase {
        /// The encrypted key.
        path: PathBuf,
    },
    /// A key could not be encrypted.
    #[error("cannot encrypt the root key: {reason}; nothing changed")]
    Encrypt {
        /// What the library says.
        reason: String,
    },
    /// A rotation is under way.
    #[error(
        "hosts that trust the previous root are served until {until}, and only one change at a time can be served: \
         rotate again after that, or give those hosts up with --at-once. Nothing changed"
    )]
    TransitionUnderWay {
        /// The announced date.
        until: Timestamp,
    },
    /// The root is not made for a transition.
    #[error(
        "the root certificate {} does not permit a transition to a new root ({reason}): rotate with --at-once, and have every \
         host trust the new one. Nothing changed", path.display()
    )]
    NoTransition {
        /// The root certificate.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// Another process made a new authority meanwhile.
    #[error("{} was replaced by a new authority just now; try again", path.display())]
    AuthorityReplaced {
        /// The directory of the authority.
        path: PathBuf,
    },
    /// The file system cannot do it.
    #[error(
        "the file system of {} cannot exchange two directories in one step ({source}): rotate on a copy of the data directory \
         on a local file system (ext4, xfs, btrfs). Nothing changed", path.display()
    )]
    NoExchange {
        /// The directory of the authority.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// The new root is in force, but the old key is still there.
    #[error("the new root is in force, but what is left of the old one in {} could not be destroyed ({reason}): remove it by hand", path.display())]
    OldKeyLeft {
        /// Where the old authority is stored.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file holds no usable PEM.
    #[error("{} holds no usable {what}: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What was found instead.
        reason: String,
    },
    /// The key is protected by a passphrase.
    #[error(
        "the private key {} is encrypted; decrypt it first: openssl pkey -in {} -out plain.key (and chmod 600 plain.key)",
        path.display(), path.display()
    )]
    KeyEncrypted {
        /// The key file.
        path: PathBuf,
    },
    /// The key does not belong to the first certificate.
    #[error(
        "the key {} does not belong to the first certificate in {}; give the key that the certificate was made for, \
         and put the server's certificate first",
        key.display(), certificate.display()
    )]
    KeyMismatch {
        /// The chain file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// A certificate of the chain is not signed by the one after it.
    #[error(
        "certificate {position} in {} ({subject}) is not signed by certificate {} ({next}); \
         put the server's certificate first, then each issuer in order",
        path.display(), position + 1
    )]
    ChainBroken {
        /// The chain file.
        path: PathBuf,
        /// Counted from 1.
        position: usize,
        /// Its subject.
        subject: String,
        /// The subject of the one after it.
        next: String,
    },
    /// A certificate is past its end.
    #[error("the certificate {subject} in {} expired on {not_after}; give a current one, or run `portcullis cert renew`", path.display())]
    Expired {
        /// The chain file.
        path: PathBuf,
        /// The certificate's subject.
        subject: String,
        /// Its end.
        not_after: Timestamp,
    },
    /// A certificate is not valid yet.
    #[error("the certificate {subject} in {} is valid only from {not_before}; check this machine's clock", path.display())]
    NotYetValid {
        /// The chain file.
        path: PathBuf,
        /// The certificate's subject.
        subject: String,
        /// Its beginning.
        not_before: Timestamp,
    },
    /// No client would accept the certificate.
    #[error("no client will accept the certificate in {}: {reason}", path.display())]
    Unusable {
        /// The chain file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// The data directory would lose an authority that hosts may trust.
    #[error(
        "{} has a certificate authority of its own (SHA-256 {pin}), and the nodes of this database have another: give this node an empty \
         data directory (--data DIR), or, if no host trusts that authority any more, move {} away", path.display(), path.join("ca").display()
    )]
    OtherAuthority {
        /// The data directory.
        path: PathBuf,
        /// The fingerprint of the root in it.
        pin: String,
    },
    /// The files are shared with other nodes, and where they are kept cannot be reached.
    #[error("the certificates that the nodes share could not be changed: {reason}; nothing changed")]
    Sharing {
        /// What was said there.
        reason: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The TLS library refused the configuration.
    #[error("the TLS library refuses the configuration: {0}")]
    Library(#[from] rustls::Error),
}

impl PkiError {
    /// Wraps an I/O error with what was tried and where.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the file is simply not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the same may succeed later without anyone's help.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::Sharing { .. })
    }

    /// Whether a certificate is outside of its time.
    pub(crate) fn is_about_time(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYetValid { .. })
    }

    /// Whether the pair itself is at fault, so that issuing it again fixes it; exposed keys and failing disks are not fixed by that.
    pub(crate) fn is_fixed_by_reissue(&self) -> bool {
        self.is_missing()
            || matches!(
                self,
                Self::Pem { .. }
                    | Self::KeyMismatch { .. }
                    | Self::ChainBroken { .. }
                    | Self::Expired { .. }
                    | Self::NotYetValid { .. }
                    | Self::Unusable { .. }
                    | Self::TooLarge { .. }
            )
    }
}

/// What to do about what the system says, where that is clear.
fn advice(action: &str, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            let me = rustix::process::geteuid().as_raw();
            return format!("; this process runs as the user {me}, who must be allowed to do that");
        }
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only: mount it for writing",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free up space on that disk and try again",
        io::ErrorKind::NotFound => "; check the path",
        _ => return file_system_advice(action, source).to_owned(),
    }
    .to_owned()
}

/// What a file system cannot do, and which can.
pub(crate) fn file_system_advice(action: &str, source: &io::Error) -> &'static str {
    use rustix::io::Errno;
    match Errno::from_io_error(source) {
        Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) if action == "lock" => {
            "; this file system has no file locks: put the data directory on a local one (ext4, xfs, btrfs), or on NFS start the lock \
             service (rpc.statd) or mount with local_lock=all"
        }
        Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if action == "sync" => {
            "; this file system cannot make a directory durable, so what was pushed could be lost with the power: put the data \
             directory on one that can (ext4, xfs, btrfs)"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_a_file_system_lacks_is_named_with_what_to_do() {
        let text = |action, errno: Errno| PkiError::io(action, "/data")(errno.into()).to_string();
        assert!(text("lock", Errno::NOLCK).contains("no file locks: put the data directory on a local one"));
        assert!(text("sync", Errno::INVAL).contains("cannot make a directory durable"));
        assert!(!text("read", Errno::INVAL).contains(';'));
        let me = rustix::process::geteuid().as_raw();
        assert!(text("read", Errno::ACCESS).contains(&format!("as the user {me}")));
    }
}
