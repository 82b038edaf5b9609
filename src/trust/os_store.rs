//! The operating system's store of CAs: where a certificate is dropped in, and which command takes it over.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::TrustError;
use super::file;
use super::host::Host;
use super::registry_address::RegistryAddress;

const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// Where system commands are; the caller's `PATH` is not asked.
const COMMAND_DIRECTORIES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// A family of systems with one kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OsStore {
    /// Debian, Ubuntu and what comes of them.
    Debian,
    /// Alpine.
    Alpine,
    /// Fedora, RHEL, `CentOS`, Rocky, Alma, Amazon Linux, ...
    RedHat,
    /// openSUSE, SLES.
    Suse,
    /// Arch.
    Arch,
}

/// Each family, the words of `ID` and `ID_LIKE` that tell it, its directory, its command.
const FAMILIES: &[(OsStore, &[&str], &str, &str)] = &[
    (OsStore::Debian, &["debian", "ubuntu"], "/usr/local/share/ca-certificates", "update-ca-certificates"),
    (OsStore::Alpine, &["alpine"], "/usr/local/share/ca-certificates", "update-ca-certificates"),
    (OsStore::RedHat, &["rhel", "fedora", "centos", "amzn"], "/etc/pki/ca-trust/source/anchors", "update-ca-trust"),
    (OsStore::Suse, &["suse", "sles", "opensuse"], "/etc/pki/trust/anchors", "update-ca-certificates"),
    (OsStore::Arch, &["arch", "archlinux"], "/etc/ca-certificates/trust-source/anchors", "update-ca-trust"),
];

impl OsStore {
    /// Which family the host is of, by its `os-release`. Its command must be there.
    pub(crate) fn detect(host: &Host) -> Result<Self, TrustError> {
        let mut words = Vec::new();
        for path in OS_RELEASE {
            if let Some(text) = file::read(&host.real(path.as_ref()))? {
                words = identity(&String::from_utf8_lossy(&text));
                break;
            }
        }
        let is_of = |known: &[&str]| {
            let is_known = |word: &String| {
                known.contains(&word.as_str()) || word.starts_with("opensuse") && known.contains(&"opensuse")
            };
            words.iter().any(is_known)
        };
        let Some(family) = FAMILIES.iter().find(|family| is_of(family.1)) else {
            let found =
                if words.is_empty() { "no ID".to_owned() } else { words.join(", ").escape_default().to_string() };
            return Err(TrustError::UnknownSystem { path: OS_RELEASE[0].into(), found });
        };
        family.0.program(host)?;
        Ok(family.0)
    }

    /// The registry's own file in the store.
    pub(crate) fn file(self, registry: &RegistryAddress) -> PathBuf {
        Path::new(self.row().2).join(format!("portcullis-{}.crt", registry.file_name()))
    }

    /// Whether a file is of the kind that [`Self::file`] names.
    pub(crate) fn holds(path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("portcullis-") && FAMILIES.iter().any(|family| path.parent() == Some(Path::new(family.2)))
    }

    /// The command that takes over what is in the store, for people to read.
    pub(crate) fn command(self) -> &'static str {
        self.row().3
    }

    /// Takes over what was added.
    pub(crate) fn update_after_adding(self, host: &Host) -> Result<(), TrustError> {
        self.run(
            host,
            &[],
            "what was written has been removed again; --no-system leaves the operating system's store out",
        )
    }

    /// Takes over what was removed. Debian's command leaves the links to what is gone unless it starts from nothing.
    pub(crate) fn update_after_removing(self, host: &Host) -> Result<(), TrustError> {
        let arguments: &[&str] = if self == Self::Debian { &["--fresh"] } else { &[] };
        self.run(host, arguments, "the file is gone; run that command by hand")
    }

    fn row(self) -> &'static (Self, &'static [&'static str], &'static str, &'static str) {
        // Every family is in the table (see the test).
        FAMILIES.iter().find(|family| family.0 == self).unwrap_or(&FAMILIES[0])
    }

    fn program(self, host: &Host) -> Result<PathBuf, TrustError> {
        let command = self.command();
        let places = COMMAND_DIRECTORIES.iter().map(|dir| host.real(&Path::new(dir).join(command)));
        places.into_iter().find(|path| path.is_file()).ok_or(TrustError::NoStoreCommand { command })
    }

    fn run(self, host: &Host, arguments: &[&str], undone: &'static str) -> Result<(), TrustError> {
        let program = self.program(host)?;
        let failed = |reason: String| TrustError::StoreCommand { command: program.clone(), reason, undone };
        let mut command = Command::new(&program);
        command.args(arguments).stdin(Stdio::null()).env_clear().env("PATH", COMMAND_DIRECTORIES.join(":"));
        let output = command.output().map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        Err(failed(format!("{}: {}", output.status, last.trim())))
    }
}

/// `ID` first, then the words of `ID_LIKE`.
fn identity(os_release: &str) -> Vec<String> {
    let values = |key: &str| {
        let lines = os_release.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        lines.flat_map(|value| value.trim_matches(['"', '\'']).split_whitespace()).map(str::to_lowercase).collect()
    };
    let (mut words, like): (Vec<String>, Vec<String>) = (values("ID"), values("ID_LIKE"));
    words.extend(like);
    words
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn detected(os_release: &str, command: &str) -> Result<OsStore, TrustError> {
        let root = tempfile::tempdir().unwrap();
        for dir in ["etc", "usr/sbin"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        fs::write(root.path().join("etc/os-release"), os_release).unwrap();
        fs::write(root.path().join("usr/sbin").join(command), "").unwrap();
        OsStore::detect(&Host::at(root.path()))
    }

    #[test]
    fn every_family_is_known_by_its_os_release() {
        for (text, wanted) in [
            ("ID=debian\n", OsStore::Debian),
            ("NAME=x\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", OsStore::Debian),
            ("ID=alpine\n", OsStore::Alpine),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", OsStore::RedHat),
            ("ID=fedora\n", OsStore::RedHat),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", OsStore::Suse),
            ("ID='sles'\n", OsStore::Suse),
            ("ID=manjaro\nID_LIKE=arch\n", OsStore::Arch),
        ] {
            assert_eq!(detected(text, wanted.command()).unwrap(), wanted, "{text}");
            assert_eq!(wanted.row().0, wanted);
        }
    }

    #[test]
    fn an_unknown_system_and_a_missing_command_are_said() {
        let unknown = detected("ID=plan9\n", "update-ca-certificates").unwrap_err().to_string();
        assert!(unknown.contains("plan9") && unknown.contains("--no-system"), "{unknown}");
        let missing = detected("ID=fedora\n", "update-ca-certificates").unwrap_err().to_string();
        assert!(missing.contains("update-ca-trust") && missing.contains("ca-certificates"), "{missing}");
    }
}
