//! Real registries of others to move in from: distribution 3, and 2.8 as Debian has it, each with a directory of its own and TLS.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::{Actor, DEADLINE};

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The Go module.
    Three,
    /// Debian's.
    Two,
}

/// A running registry.
pub struct Distribution {
    home: TempDir,
    port: u16,
    ca: String,
    process: Option<Child>,
}

impl Distribution {
    /// One that anyone may push to.
    pub async fn start(version: Version) -> Self {
        Self::start_with(version, "").await
    }

    /// The same with these lines in its configuration.
    pub async fn start_with(version: Version, lines: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("free").port();
        let ca = certify(home.path());
        let (root, folder) = (home.path().join("root"), home.path().display());
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  \
             delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{port}\n  relativeurls: true\n  tls: {{certificate: {folder}/tls.pem, key: \
             {folder}/tls.key}}\n{lines}",
            root.display()
        );
        fs::write(home.path().join("config.yml"), config).expect("writable");
        let mut command = Command::new(program(version));
        command.arg("serve").arg(home.path().join("config.yml")).env_clear().stdout(Stdio::null());
        let log = fs::File::create(home.path().join("log")).expect("writable");
        let process = command.stderr(log).spawn().expect("it starts");
        let mut registry = Self { home, port, ca, process: Some(process) };
        registry.wait().await;
        registry
    }

    async fn wait(&mut self) {
        let until = Instant::now() + DEADLINE;
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            let log = || fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < until, "it does not serve: {}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Someone who pushes to it.
    pub fn actor(&self, credentials: Option<(&str, &str)>) -> Actor {
        Actor::new(self.port, &self.ca, credentials)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its CA as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// What an operator names for an import.
    pub fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    /// A path below `docker/registry/v2`.
    pub fn file(&self, path: &str) -> PathBuf {
        self.root().join("docker/registry/v2").join(path)
    }

    /// Where the content of a digest is.
    pub fn content(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("a digest");
        self.file(&format!("blobs/sha256/{}/{hex}/data", &hex[..2]))
    }

    /// Ends it; its directory stays.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Every file below a folder: its path, bytes, mode and date.
pub fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>, u32, i64)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    let pattern = folder.join("**/*");
    for path in glob::glob(&pattern.to_string_lossy()).expect("a pattern").filter_map(Result::ok) {
        let meta = fs::metadata(&path).expect("there");
        let bytes = if meta.is_file() { fs::read(&path).expect("readable") } else { Vec::new() };
        found.push((path, bytes, meta.mode(), meta.mtime()));
    }
    found
}

fn certify(folder: &Path) -> String {
    let (key, mut params) = (KeyPair::generate().expect("a key"), CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, key).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
    let leaf = params.signed_by(&key, &ca).expect("a certificate");
    fs::write(folder.join("tls.pem"), leaf.pem()).expect("writable");
    fs::write(folder.join("tls.key"), key.serialize_pem()).expect("writable");
    ca.pem()
}

/// Where Debian and `scripts/test` put them.
fn program(version: Version) -> PathBuf {
    let (program, how) = match version {
        Version::Two => (PathBuf::from("/usr/bin/docker-registry"), "apt-get install docker-registry"),
        Version::Three => {
            let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
            let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
            let how = "go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2, and move it there; scripts/test does";
            let places = ["portcullis-interop/bin", "portcullis-bench/bin"]
                .map(|place| cache.join(place).join("registry-v3.1.2"));
            let [place, of_bench] = places;
            (if place.is_file() { place } else { of_bench }, how)
        }
    };
    assert!(program.is_file(), "{} is missing: {how}", program.display());
    program
}
