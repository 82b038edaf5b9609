//! What will be written where, decided before anything is; and then all of it, or nothing.

use std::path::{Path, PathBuf};

use super::authority_file::one_certificate;
use super::containerd::{self, Place};
use super::daemons;
use super::error::TrustError;
use super::file;
use super::host::{Host, Scope};
use super::manifest::Manifest;
use super::os_store::OsStore;
use super::pinned_authority::PinnedAuthority;
use super::registry_address::RegistryAddress;
use super::stanza;
use super::turn::Turn;
use crate::tls::Fingerprint;

/// What was asked for beside the registry and its CA.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Put the CA into the operating system's store too.
    pub system_store: bool,
    /// Take the place of another CA.
    pub replace: bool,
}

/// How a file stands before anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// It is not there.
    Absent,
    /// It holds this very CA.
    Same,
    /// It holds the CA that hands over to this one, and is replaced.
    Predecessor,
    /// It holds something else, and may be replaced.
    Other,
}

/// A file that shall hold the CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Where, on the host.
    pub path: PathBuf,
    /// How it stands.
    pub state: FileState,
    os_store: bool,
}

/// Everything that [`Plan::apply`] will do.
#[derive(Debug)]
pub struct Plan {
    host: Host,
    scope: Scope,
    registry: RegistryAddress,
    authority: PinnedAuthority,
    files: Vec<PlannedFile>,
    store: Option<OsStore>,
    notes: Vec<String>,
}

/// What was done.
#[derive(Debug)]
pub struct Applied {
    /// Where the manifest of it lies; `None` where nothing had to be written.
    pub manifest: Option<PathBuf>,
    /// The command that took over the operating system's store; `None` where that was not needed.
    pub store_command: Option<&'static str>,
    /// Daemons that run and will see the operating system's store only after a restart.
    pub to_restart: Vec<String>,
}

impl Plan {
    /// Looks at the host; writes nothing. Refuses where a file holds another CA and `replace` was not asked for.
    pub fn make(
        host: Host,
        scope: Scope,
        registry: RegistryAddress,
        authority: PinnedAuthority,
        options: Options,
    ) -> Result<Self, TrustError> {
        let mut plan = Self { host, scope, registry, authority, files: Vec::new(), store: None, notes: Vec::new() };
        for name in plan.registry.directory_names() {
            for certs in [plan.scope.docker_certs(), plan.scope.containers_certs()] {
                plan.add(certs.join(&name).join("ca.crt"), false)?;
            }
        }
        if matches!(plan.scope, Scope::System) {
            plan.add_containerd()?;
        }
        if options.system_store {
            plan.add_os_store()?;
        }
        plan.add_written_before()?;
        plan.notes.extend(plan.authority.succeeds().map(|old| {
            let new = plan.authority.fingerprint();
            format!("the CA {old} hands over to {new}, which is trusted from now on in its place")
        }));
        let other = plan.files.iter().find(|file| file.state == FileState::Other);
        match other {
            Some(other) if !options.replace => Err(plan.another_authority(&other.path)),
            _ => Ok(plan),
        }
    }

    /// The files, each with its state.
    pub fn files(&self) -> &[PlannedFile] {
        &self.files
    }

    /// What the person has to know or do beside.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Writes what is not there yet. Whatever fails, the host is then as it was before.
    pub fn apply(&self) -> Result<Applied, TrustError> {
        let to_write: Vec<&PlannedFile> = self.files.iter().filter(|file| file.state != FileState::Same).collect();
        if to_write.is_empty() {
            return Ok(Applied { manifest: None, store_command: None, to_restart: Vec::new() });
        }
        let turn = Turn::take(&self.host, &self.scope)?;
        let manifest_path = Manifest::path(&self.scope, &self.registry);
        let mut undo = Undo::default();
        let written = self.write(&to_write, &manifest_path, &turn, &mut undo).and_then(|()| {
            let store = self.store.filter(|_| to_write.iter().any(|file| file.os_store));
            store.map(|store| store.update_after_adding(&self.host).map(|()| store.command())).transpose()
        });
        match written {
            Err(error) => {
                undo.run();
                Err(error)
            }
            Ok(store_command) => {
                let to_restart = store_command.map(|_| daemons::running(&self.host)).unwrap_or_default();
                Ok(Applied { manifest: Some(manifest_path), store_command, to_restart })
            }
        }
    }

    /// The manifest first: it must know of every file, even if the machine stops here.
    fn write(
        &self,
        files: &[&PlannedFile],
        manifest_path: &Path,
        turn: &Turn,
        undo: &mut Undo,
    ) -> Result<(), TrustError> {
        let pem = self.authority.pem();
        let real_manifest = self.host.real(manifest_path);
        let mut manifest = Manifest::load(&real_manifest)?.unwrap_or_else(|| Manifest::empty(&self.registry));
        manifest.ca_sha256 = self.authority.fingerprint().to_string();
        for file in files {
            manifest.note_directories(&file::missing_on(&self.host, parent(&file.path)));
            let current = file::read(&self.host.real(&file.path))?;
            manifest.note_file(&file.path, pem.as_bytes(), file.os_store, current.as_deref());
        }
        manifest.note_directories(turn.made());
        undo.remember(&real_manifest)?;
        file::remove_temporaries(&real_manifest)?;
        manifest.save(&real_manifest)?;
        for file in files {
            let path = self.host.real(&file.path);
            undo.remember(&path)?;
            file::remove_temporaries(&path)?;
            file::make_directories(parent(&path))?;
            file::write(&path, pem.as_bytes())?;
        }
        Ok(())
    }

    fn add_containerd(&mut self) -> Result<(), TrustError> {
        let paths = containerd::config_paths(&self.host)?;
        for name in self.registry.directory_names() {
            match containerd::place(&self.host, &paths, &name) {
                Some(Place::Directory(directory)) => self.add(directory.join("ca.crt"), false)?,
                Some(Place::HostsFile(hosts)) => {
                    let stanza = stanza::hosts_toml(&self.scope, &self.registry);
                    self.notes.push(format!("containerd reads {}: add there {stanza}", hosts.display()));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn add_os_store(&mut self) -> Result<(), TrustError> {
        let store = OsStore::detect(&self.host)?;
        self.store = Some(store);
        if self.authority.is_unconstrained() {
            self.notes.push(
                "this CA is not bound to the registry's names: every program on this host that uses the operating \
                 system's store now believes it for any name"
                    .to_owned(),
            );
        }
        self.add(store.file(&self.registry), true)
    }

    /// What an earlier run wrote elsewhere: an old CA must not stay there unseen when a new one takes its place.
    fn add_written_before(&mut self) -> Result<(), TrustError> {
        let manifest = Manifest::load(&self.host.real(&Manifest::path(&self.scope, &self.registry)))?;
        for written in manifest.into_iter().flat_map(|manifest| manifest.files) {
            if !self.host.real(&written.path).exists() {
                continue;
            }
            if written.os_store && self.store.is_none() {
                self.store = Some(OsStore::detect(&self.host)?);
            }
            self.add(written.path, written.os_store)?;
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, os_store: bool) -> Result<(), TrustError> {
        if self.files.iter().any(|file| file.path == path) {
            return Ok(());
        }
        let state = match file::read(&self.host.real(&path))? {
            None => FileState::Absent,
            Some(bytes) => match one_certificate(&bytes) {
                Ok(der) if der == *self.authority.der() => FileState::Same,
                Ok(der) if Some(&der) == self.authority.predecessor() => FileState::Predecessor,
                _ => FileState::Other,
            },
        };
        self.files.push(PlannedFile { path, state, os_store });
        Ok(())
    }

    fn another_authority(&self, path: &Path) -> TrustError {
        let bytes = file::read(&self.host.real(path)).ok().flatten().unwrap_or_default();
        let found = match one_certificate(&bytes) {
            Ok(der) => format!("SHA-256 {}", Fingerprint::of_der(&der)),
            Err(_) => "not one certificate".to_owned(),
        };
        TrustError::AnotherAuthority { path: path.to_owned(), found }
    }
}

/// How things were.
#[derive(Default)]
struct Undo {
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
    directories: Vec<PathBuf>,
}

impl Undo {
    fn remember(&mut self, path: &Path) -> Result<(), TrustError> {
        self.files.push((path.to_owned(), file::read(path)?));
        self.directories.extend(file::missing_directories(parent(path)));
        Ok(())
    }

    /// The error that led here is the one to report; what cannot be undone is named by the manifest where that stays.
    fn run(self) {
        for (path, before) in self.files.iter().rev() {
            let _ = match before {
                Some(bytes) => file::write(path, bytes),
                None => file::remove(path),
            };
        }
        for directory in self.directories.iter().rev() {
            let _ = file::remove_empty_directory(directory);
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::host_port::HostPort;

    fn authority(registry: &RegistryAddress) -> PinnedAuthority {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().clone();
        let pin = Fingerprint::of_der(&der);
        PinnedAuthority::check(der, registry, pin, "test").unwrap()
    }

    fn plan(root: &Path, registry: &str, options: Options) -> Result<Plan, TrustError> {
        let registry: RegistryAddress = registry.parse::<HostPort>().unwrap().into();
        let authority = authority(&registry);
        Plan::make(Host::at(root), Scope::System, registry, authority, options)
    }

    #[test]
    fn an_explicit_443_is_written_under_both_names() {
        let root = tempfile::tempdir().unwrap();
        let paths = |registry: &str| {
            let plan = plan(root.path(), registry, Options::default()).unwrap();
            plan.files().iter().map(|file| file.path.display().to_string()).collect::<Vec<_>>()
        };
        let with = |name: &str| {
            [format!("/etc/docker/certs.d/{name}/ca.crt"), format!("/etc/containers/certs.d/{name}/ca.crt")]
        };
        assert_eq!(paths("r.test"), with("r.test"));
        assert_eq!(paths("r.test:443"), [with("r.test"), with("r.test:443")].concat());
    }

    #[test]
    fn what_fails_half_way_is_undone() {
        let root = tempfile::tempdir().unwrap();
        // Nothing is there to read, and no directory can be made.
        fs::create_dir(root.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("/nonexistent/place", root.path().join("etc/containers")).unwrap();
        let plan = plan(root.path(), "r.test:5000", Options::default()).unwrap();
        let error = plan.apply().unwrap_err().to_string();
        assert!(error.contains("cannot make the directory") && error.contains("containers"), "{error}");
        let left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["etc"]);
        let left: Vec<_> = fs::read_dir(root.path().join("etc")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["containers"]);
    }

    fn debian() -> tempfile::TempDir {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        for dir in ["etc", "usr/sbin"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        let command = root.path().join("usr/sbin/update-ca-certificates");
        fs::write(root.path().join("etc/os-release"), "ID=debian").unwrap();
        fs::write(&command, "#!/bin/sh\n").unwrap();
        fs::set_permissions(command, fs::Permissions::from_mode(0o755)).unwrap();
        root
    }

    #[test]
    fn an_unconstrained_ca_in_the_store_of_the_system_is_said() {
        let plan = plan(debian().path(), "r.test", Options { system_store: true, replace: false }).unwrap();
        assert!(plan.notes().iter().any(|note| note.contains("for any name")));
    }

    #[test]
    fn an_old_ca_does_not_stay_in_the_store_of_the_system() {
        let root = debian();
        let first = plan(root.path(), "r.test", Options { system_store: true, replace: false }).unwrap();
        first.apply().unwrap();
        // Another CA for the same registry, and nothing said of the system's store.
        let second = plan(root.path(), "r.test", Options { system_store: false, replace: true }).unwrap();
        assert_eq!(second.apply().unwrap().store_command, Some("update-ca-certificates"));
        for file in second.files() {
            let text = fs::read_to_string(Host::at(root.path()).real(&file.path)).unwrap();
            assert_eq!(text, second.authority.pem(), "{}", file.path.display());
        }
        assert_eq!(second.files().len(), 3);
    }
}
