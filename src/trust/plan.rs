//! What will be written where, decided before anything is; and then all of it, or nothing.

use std::path::{Path, PathBuf};

use super::authority_file::one_certificate;
use super::containerd::{self, CertsLocation};
use super::daemons;
use super::error::TrustError;
use super::exclusive_lock::ExclusiveLock;
use super::file;
use super::host::{Host, InstallScope};
use super::install_record::{InstallRecord, WrittenFile};
use super::os_store::OsStore;
use super::pinned_authority::{self, PinnedAuthority};
use super::planned_file::{PlannedFile, PlannedState};
use super::registry_address::RegistryAddress;
use super::script_record;
use super::stanza;
use super::undo::Undo;
use crate::domain::net::Fingerprint;

/// Whether the CA goes into the operating system's store, which every program of the host reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SystemStore {
    /// Where it can sign for nothing but the hosts that its constraints name.
    #[default]
    IfConstrained,
    /// In any case.
    Always,
    /// In no case; one that `trust` put there before is removed.
    Never,
}

/// What was asked for besides the registry and its CA.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrustSettings {
    /// Whether the operating system's store is written too.
    pub system_store: SystemStore,
    /// Replace another CA.
    pub replace: bool,
}

/// Everything that [`Plan::apply`] will do.
#[derive(Debug)]
pub struct Plan {
    host: Host,
    scope: InstallScope,
    registry: RegistryAddress,
    authority: PinnedAuthority,
    files: Vec<PlannedFile>,
    store: Option<OsStore>,
    notes: Vec<String>,
}

/// What was done.
#[derive(Debug)]
pub struct Applied {
    /// Where its install record is stored; `None` if nothing had to be written.
    pub manifest: Option<PathBuf>,
    /// The command that took over the operating system's store; `None` where that was not needed.
    pub store_command: Option<&'static str>,
    /// Daemons that run and will see the operating system's store only after a restart.
    pub to_restart: Vec<String>,
}

const NOT_IN_STORE: &str = "this CA can sign for any name, so it stays out of the operating system's store: curl, crane, oras, \
                            helm, cosign, regctl and what the docker command fetches itself do not trust the registry; --system adds it";
const FOR_ANY_NAME: &str = "this CA is not bound to the registry's names: every program on this host that uses the operating \
                            system's store now believes it for any name";

impl Plan {
    /// Looks at the host; writes nothing. Refuses where a file holds another CA and `replace` was not asked for.
    pub fn make(
        host: Host,
        scope: InstallScope,
        registry: RegistryAddress,
        authority: PinnedAuthority,
        options: TrustSettings,
    ) -> Result<Self, TrustError> {
        let mut plan = Self { host, scope, registry, authority, files: Vec::new(), store: None, notes: Vec::new() };
        for name in plan.registry.directory_names() {
            for certs in [plan.scope.docker_certs(), plan.scope.containers_certs()] {
                plan.add(certs.join(&name).join("ca.crt"), false)?;
            }
        }
        let written = InstallRecord::load(&plan.host.real(&InstallRecord::path(&plan.scope, &plan.registry)))?;
        let written = written.map(|manifest| manifest.files).unwrap_or_default();
        if matches!(plan.scope, InstallScope::System) {
            plan.add_containerd()?;
            plan.add_os_store(options.system_store, &written)?;
        }
        plan.add_written_before(written)?;
        plan.notes.extend(plan.authority.succeeds().map(|old| {
            let new = plan.authority.fingerprint();
            format!("the CA {old} is replaced by {new}, which is trusted from now on instead")
        }));
        let other = plan.files.iter().find(|file| file.state == PlannedState::Other);
        match other {
            Some(other) if !options.replace => Err(plan.another_authority(&other.path)),
            _ => Ok(plan),
        }
    }

    /// The files, each with its state.
    pub fn files(&self) -> &[PlannedFile] {
        &self.files
    }

    /// What the person has to know or do besides.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Writes what is not there yet. Whatever fails, the host is then as it was before.
    pub fn apply(&self) -> Result<Applied, TrustError> {
        let to_write: Vec<&PlannedFile> = self.files.iter().filter(|file| file.state != PlannedState::Same).collect();
        if to_write.is_empty() {
            return Ok(Applied { manifest: None, store_command: None, to_restart: Vec::new() });
        }
        let turn = ExclusiveLock::take(&self.host, &self.scope)?;
        let manifest_path = InstallRecord::path(&self.scope, &self.registry);
        let mut undo = Undo::default();
        let written = self.write(&to_write, &manifest_path, &turn, &mut undo).and_then(|()| {
            let store = self.store.filter(|_| to_write.iter().any(|file| file.os_store));
            store.map(|store| self.update(store, &to_write).map(|()| store.command())).transpose()
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
        record_path: &Path,
        lock: &ExclusiveLock,
        undo: &mut Undo,
    ) -> Result<(), TrustError> {
        let pem = self.authority.pem();
        let real_record = self.host.real(record_path);
        let mut record = self.record(files, &real_record, &pem)?;
        record.note_directories(lock.made());
        undo.remember(&real_record)?;
        undo.remember(&script_record::path(&real_record))?;
        file::remove_temporaries(&real_record)?;
        record.save(&real_record)?;
        for file in files {
            let path = self.host.real(&file.path);
            undo.remember(&path)?;
            file::remove_temporaries(&path)?;
            if file.state == PlannedState::Unwanted {
                file::remove(&path)?;
            } else {
                file::make_directories(parent(&path))?;
                file::write(&path, pem.as_bytes())?;
            }
        }
        // What is gone is forgotten last.
        if record.forget(|path| files.iter().any(|f| f.path == path && f.state == PlannedState::Unwanted)) {
            record.save(&real_record)?;
        }
        Ok(())
    }

    /// What is recorded of the registry on this host, with the files that are about to be written.
    fn record(&self, files: &[&PlannedFile], real_record: &Path, pem: &str) -> Result<InstallRecord, TrustError> {
        let known = InstallRecord::load(real_record)?;
        let mut record = known.unwrap_or_else(|| InstallRecord::of(self.registry.address()));
        record.ca_sha256 = self.authority.fingerprint().to_string();
        for file in files.iter().filter(|file| file.state != PlannedState::Unwanted) {
            record.note_directories(&file::missing_on(&self.host, parent(&file.path)));
            let current = file::read(&self.host.real(&file.path))?;
            record.note_file(&file.path, pem.as_bytes(), file.os_store, current.as_deref());
        }
        Ok(record)
    }

    fn update(&self, store: OsStore, files: &[&PlannedFile]) -> Result<(), TrustError> {
        if files.iter().any(|file| file.os_store && file.state == PlannedState::Unwanted) {
            store.update_after_removing(&self.host)
        } else {
            store.update_after_adding(&self.host)
        }
    }

    fn add_containerd(&mut self) -> Result<(), TrustError> {
        for name in self.registry.directory_names() {
            for place in containerd::locations(&self.host, &name)? {
                match place {
                    CertsLocation::Directory(directory) => self.add(directory.join("ca.crt"), false)?,
                    CertsLocation::HostsFile(hosts) => {
                        let stanza = stanza::hosts_toml(&self.scope, &self.registry);
                        self.notes.push(format!("containerd reads {}: add there {stanza}", hosts.display()));
                    }
                }
            }
        }
        Ok(())
    }

    /// The store takes a CA that is constrained, and any other only where someone chose that.
    fn add_os_store(&mut self, wanted: SystemStore, written: &[WrittenFile]) -> Result<(), TrustError> {
        let in_store: Vec<&WrittenFile> = written.iter().filter(|file| file.os_store).collect();
        let constrained = self.authority.is_constrained();
        let is_wanted = match wanted {
            SystemStore::Always => true,
            SystemStore::Never => false,
            // It was chosen before, for a CA that may sign for any name as well.
            SystemStore::IfConstrained => constrained || self.holds_unconstrained(&in_store)?,
        };
        if !is_wanted {
            if wanted == SystemStore::IfConstrained {
                self.notes.push(NOT_IN_STORE.to_owned());
            }
            return self.remove_from_store(&in_store);
        }
        match OsStore::detect(&self.host) {
            Ok(store) => self.store = Some(store),
            Err(error) if wanted == SystemStore::IfConstrained => {
                let why = error.to_string();
                let why =
                    why.trim_end_matches(". Nothing was changed").trim_end_matches(", and run this with --no-system");
                self.notes.push(format!("the CA is not in the operating system's store: {why}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if !constrained {
            self.notes.push(FOR_ANY_NAME.to_owned());
        }
        self.store.map_or(Ok(()), |store| self.add(store.file(&self.registry), true))
    }

    fn holds_unconstrained(&self, in_store: &[&WrittenFile]) -> Result<bool, TrustError> {
        for written in in_store {
            let bytes = file::read(&self.host.real(&written.path))?;
            if bytes.is_some_and(|bytes| written.holds(&bytes) && !pinned_authority::is_constrained(&bytes)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What someone has changed since is theirs.
    fn remove_from_store(&mut self, in_store: &[&WrittenFile]) -> Result<(), TrustError> {
        for written in in_store {
            match file::read(&self.host.real(&written.path))? {
                Some(bytes) if written.holds(&bytes) => {
                    self.store = Some(OsStore::detect(&self.host)?);
                    let path = written.path.clone();
                    self.files.push(PlannedFile { path, state: PlannedState::Unwanted, os_store: true });
                }
                Some(_) => {
                    let path = written.path.display();
                    self.notes.push(format!("{path} was changed since `trust` wrote it, and stays as it is"));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// What an earlier run wrote elsewhere: an old CA must not stay there unseen when a new one replaces it. The store was seen to.
    fn add_written_before(&mut self, written: Vec<WrittenFile>) -> Result<(), TrustError> {
        for written in written {
            if !written.os_store && self.host.real(&written.path).exists() {
                self.add(written.path, false)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, os_store: bool) -> Result<(), TrustError> {
        if self.files.iter().any(|file| file.path == path) {
            return Ok(());
        }
        let state = match file::read(&self.host.real(&path))? {
            None => PlannedState::Absent,
            Some(bytes) => match one_certificate(&bytes) {
                Ok(der) if der == *self.authority.der() => PlannedState::Same,
                Ok(der) if Some(&der) == self.authority.predecessor() => PlannedState::Predecessor,
                _ => PlannedState::Other,
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

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::net::host_port::HostPort;

    fn authority(registry: &RegistryAddress) -> PinnedAuthority {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().clone();
        let pin = Fingerprint::of_der(&der);
        PinnedAuthority::check(der, registry, pin, "test", jiff::Timestamp::now()).unwrap()
    }

    fn plan(root: &Path, registry: &str, options: TrustSettings) -> Result<Plan, TrustError> {
        let registry: RegistryAddress = registry.parse::<HostPort>().unwrap().into();
        let authority = authority(&registry);
        Plan::make(Host::at(root), InstallScope::System, registry, authority, options)
    }

    #[test]
    fn an_explicit_443_is_written_under_both_names() {
        let root = tempfile::tempdir().unwrap();
        let paths = |registry: &str| {
            let plan = plan(root.path(), registry, TrustSettings::default()).unwrap();
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
        let plan = plan(root.path(), "r.test:5000", TrustSettings::default()).unwrap();
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
        let plan = plan(debian().path(), "r.test", TrustSettings { system_store: SystemStore::Always, replace: false })
            .unwrap();
        assert!(plan.notes().iter().any(|note| note.contains("for any name")));
    }

    #[test]
    fn an_old_ca_does_not_stay_in_the_store_of_the_system() {
        let root = debian();
        let first =
            plan(root.path(), "r.test", TrustSettings { system_store: SystemStore::Always, replace: false }).unwrap();
        first.apply().unwrap();
        // Another CA for the same registry, and nothing said of the system's store.
        let second =
            plan(root.path(), "r.test", TrustSettings { system_store: SystemStore::IfConstrained, replace: true })
                .unwrap();
        assert_eq!(second.apply().unwrap().store_command, Some("update-ca-certificates"));
        for file in second.files() {
            let text = fs::read_to_string(Host::at(root.path()).real(&file.path)).unwrap();
            assert_eq!(text, second.authority.pem(), "{}", file.path.display());
        }
        assert_eq!(second.files().len(), 3);
    }
}
