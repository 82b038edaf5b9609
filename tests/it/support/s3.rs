//! A real object store for the tests: one s3s-fs for the process, which ends with it, behind TLS, and a bucket for each case.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use portcullis::storage::blobs::s3::{S3Credentials, S3Options};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub const ACCESS_KEY: &str = "test-access-key";
pub const SECRET_KEY: &str = "test-secret-key";
/// What object stores take at least.
pub const PART: usize = 5 * 1024 * 1024;

/// Starts the server in a fresh directory and waits for the end of its input, which the system closes with this process.
const RUN: &str = r#"
set -eu
folder=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-s3.XXXXXX")
"$PROGRAM" --host 127.0.0.1 --port "$PORT" --access-key "$ACCESS" --secret-key "$SECRET" "$folder" >"$folder.log" 2>&1 </dev/null &
server=$!
trap 'kill -INT $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$folder" "$folder.log"' EXIT
until bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT" 2>/dev/null; do
  kill -0 $server 2>/dev/null || { cat "$folder.log" >&2; exit 1; }
  sleep 0.05
done
echo "$folder"
cat >/dev/null
"#;

struct ObjectStore {
    folder: PathBuf,
    plain: u16,
    /// With TLS.
    port: u16,
    authority: String,
    /// Closed by the end of this process.
    _alive: ChildStdin,
}

static STORE: LazyLock<ObjectStore> = LazyLock::new(start);
static BUCKETS: AtomicU32 = AtomicU32::new(0);

/// An empty bucket of its own.
pub struct Bucket {
    name: String,
    /// Where it is reached, unless that is the server itself.
    endpoint: Option<String>,
}

impl Bucket {
    pub fn new() -> Self {
        let name = format!("case-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        std::fs::create_dir(STORE.folder.join(&name)).expect("a bucket is a directory");
        Self { name, endpoint: None }
    }

    /// How the store of blobs reaches it.
    pub fn options(&self) -> S3Options {
        S3Options {
            endpoint: Some(format!("https://localhost:{}", STORE.port)),
            bucket: self.name.clone(),
            prefix: "registry".to_owned(),
            region: "us-east-1".to_owned(),
            path_style: true,
            authorities: Some(STORE.authority.clone().into_bytes()),
            credentials: Some(S3Credentials { id: ACCESS_KEY.to_owned(), secret: SECRET_KEY.to_owned().into() }),
            part_size: PART as u64,
            upload_memory: 64 * 1024 * 1024,
            redirect: None,
        }
    }

    /// Where it is reached without TLS.
    pub fn plain_address() -> String {
        format!("127.0.0.1:{}", STORE.plain)
    }

    /// Where it is reached with TLS.
    pub fn address() -> String {
        format!("127.0.0.1:{}", STORE.port)
    }

    /// What the environment of a server says to use it; `folder` is for the file of the CA.
    pub fn variables(&self, folder: &Path) -> Vec<(&'static str, String)> {
        let authority = folder.join("s3-ca.pem");
        std::fs::write(&authority, &STORE.authority).expect("the folder is writable");
        let endpoint = self.endpoint.clone().unwrap_or_else(|| format!("https://localhost:{}", STORE.port));
        vec![
            ("PORTCULLIS_BLOBS_STORE", "s3".to_owned()),
            ("PORTCULLIS_BLOBS_S3_ENDPOINT", endpoint),
            ("PORTCULLIS_BLOBS_S3_BUCKET", self.name.clone()),
            ("PORTCULLIS_BLOBS_S3_PREFIX", "registry".to_owned()),
            ("PORTCULLIS_BLOBS_S3_CA", authority.display().to_string()),
            ("PORTCULLIS_BLOBS_S3_PART_SIZE", "5MiB".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }

    /// The same bucket, reached over this port of this machine.
    pub fn behind(&self, port: u16) -> Self {
        Self { name: self.name.clone(), endpoint: Some(format!("https://localhost:{port}")) }
    }

    /// The same, reached over this port of this machine without TLS.
    pub fn behind_plain(&self, port: u16) -> Self {
        Self { name: self.name.clone(), endpoint: Some(format!("http://127.0.0.1:{port}")) }
    }

    /// A client that trusts the server.
    pub fn client() -> reqwest::Client {
        let authority = reqwest::Certificate::from_pem(STORE.authority.as_bytes()).expect("PEM");
        reqwest::Client::builder().tls_certs_only([authority]).build().expect("a client")
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the server keeps its objects.
    pub fn folder(&self) -> PathBuf {
        STORE.folder.join(&self.name)
    }

    /// Removes all contents behind the server's back.
    pub fn lose_everything(&self) {
        std::fs::remove_dir_all(STORE.folder.join(&self.name).join("registry/u")).expect("there");
    }

    /// Whether there is no object at all.
    pub fn is_empty(&self) -> bool {
        let pattern = STORE.folder.join(&self.name).join("**/*");
        let mut found = glob::glob(&pattern.to_string_lossy()).expect("a pattern").filter_map(Result::ok);
        !found.any(|path| path.is_file())
    }

    /// The names of all objects, without the prefix, and their lengths.
    pub fn objects(&self) -> Vec<(String, u64)> {
        let folder = STORE.folder.join(&self.name).join("registry");
        let mut found = Vec::new();
        for kind in ["u", "t"] {
            for entry in std::fs::read_dir(folder.join(kind)).into_iter().flatten().filter_map(Result::ok) {
                let length = entry.metadata().map_or(0, |metadata| metadata.len());
                found.push((format!("{kind}/{}", entry.file_name().to_string_lossy()), length));
            }
        }
        found.sort();
        found
    }
}

fn start() -> ObjectStore {
    let plain = free_port();
    let mut runner = Command::new("sh");
    runner.args(["-c", RUN]).env("PROGRAM", program()).env("PORT", plain.to_string());
    runner.env("ACCESS", ACCESS_KEY).env("SECRET", SECRET_KEY).stdin(Stdio::piped()).stdout(Stdio::piped());
    // It ends with this process: no one is left to wait for it.
    #[allow(clippy::zombie_processes)]
    let mut runner = runner.spawn().expect("a shell");
    let mut folder = String::new();
    BufReader::new(runner.stdout.take().expect("piped")).read_line(&mut folder).expect("a line");
    assert!(!folder.is_empty(), "s3s-fs did not start: see above");
    let (port, authority) = front(plain);
    ObjectStore { folder: folder.trim().into(), plain, port, authority, _alive: runner.stdin.take().expect("piped") }
}

/// TLS before the server, in a runtime of its own: cases have runtimes that end with them.
fn front(plain: u16) -> (u16, String) {
    let (key, mut params) = (KeyPair::generate().expect("a key"), CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, key).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
    let leaf = params.signed_by(&key, &ca).expect("a certificate");
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS #8");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .expect("a pair");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("bound").port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", plain)).await else { return };
                    // Either may hang up.
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
    });
    (port, ca.pem())
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// Where `scripts/test` puts it.
fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("PORTCULLIS_S3S_FS") {
        return program.into();
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let program = home.join(".cache/portcullis-interop/s3s-fs/bin/s3s-fs");
    let how =
        "cargo install s3s-fs --version 0.14.1 --features binary --locked --root ~/.cache/portcullis-interop/s3s-fs";
    assert!(program.is_file(), "s3s-fs is missing: {how}");
    program
}
