//! A real ACME server, Debian's `pebble`, with a DNS of its own (`pebble-challtestsrv`), on ports of this machine alone.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

use crate::support::{eventually, require_programs};

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The authority, its DNS, and the ports on which it looks at challenges.
pub struct Pebble {
    home: TempDir,
    client: reqwest::Client,
    authority: Option<Process>,
    _dns: Process,
    dns_port: u16,
    acme_port: u16,
    management_port: u16,
    dns_management_port: u16,
    /// Where it connects for tls-alpn-01.
    pub tls_port: u16,
    /// Where it connects for http-01.
    pub http_port: u16,
}

impl Pebble {
    /// `None`, and a line that says so, where pebble is not installed; in continuous integration that is a failure.
    pub async fn start() -> Option<Self> {
        Self::start_with(&json!({})).await
    }

    /// The same with more settings of its own.
    pub async fn start_with(settings: &Value) -> Option<Self> {
        if !require_programs(&["pebble", "pebble-challtestsrv"], "pebble") {
            return None;
        }
        let home = TempDir::new().expect("a temporary directory");
        let client = make_certificates(home.path());
        let (dns_port, dns_management_port) = (free_port(), free_port());
        let dns = spawn(Command::new("pebble-challtestsrv").args([
            "-dns01",
            &format!("127.0.0.1:{dns_port}"),
            "-management",
            &format!("127.0.0.1:{dns_management_port}"),
            "-defaultIPv4",
            "127.0.0.1",
            "-defaultIPv6",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
        ]));
        let mut pebble = Self {
            home,
            client,
            authority: None,
            _dns: dns,
            dns_port,
            acme_port: free_port(),
            management_port: free_port(),
            dns_management_port,
            tls_port: free_port(),
            http_port: free_port(),
        };
        pebble.configure(settings);
        pebble.restart().await;
        Some(pebble)
    }

    fn configure(&self, settings: &Value) {
        let home = self.home.path();
        let mut config = json!({
            "listenAddress": format!("127.0.0.1:{}", self.acme_port),
            "managementListenAddress": format!("127.0.0.1:{}", self.management_port),
            "certificate": home.join("server.pem"),
            "privateKey": home.join("server.key"),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        });
        for (key, value) in settings.as_object().expect("an object") {
            config[key] = value.clone();
        }
        std::fs::write(home.join("config.json"), json!({ "pebble": config }).to_string()).expect("writable");
    }

    /// Ends it, where it runs, and starts it again: it then knows no account and has another root.
    pub async fn restart(&mut self) {
        drop(self.authority.take());
        let mut command = Command::new("pebble");
        command.arg("-config").arg(self.home.path().join("config.json"));
        command.args(["-strict", "-dnsserver", &format!("127.0.0.1:{}", self.dns_port)]);
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        // Of a hundred good nonces it refuses as many. The client tries three times: with the 5 that are usual, a run of all stories
        // failed once in forty.
        command.env("PEBBLE_WFE_NONCEREJECT", "1");
        self.authority = Some(spawn(&mut command));
        let (client, url) = (self.client.clone(), self.directory());
        eventually("pebble answers", async || client.get(&url).send().await.is_ok()).await;
    }

    /// The address of its directory.
    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.acme_port)
    }

    /// The file by which its own server is trusted.
    pub fn directory_ca(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    /// The certificate and key of its server, for others of the same authority.
    pub fn server_pair(&self) -> (Vec<u8>, Vec<u8>) {
        let read = |name| std::fs::read(self.home.path().join(name)).expect("written");
        (read("server.pem"), read("server.key"))
    }

    /// A client that trusts its server.
    pub fn client(&self) -> reqwest::Client {
        self.client.clone()
    }

    /// The root of what it issues, as PEM.
    pub async fn root(&self) -> String {
        let url = format!("https://127.0.0.1:{}/roots/0", self.management_port);
        let response = self.client.get(url).send().await.expect("an answer");
        response.error_for_status().expect("200").text().await.expect("PEM")
    }

    /// Lets the name lead to another address from now on.
    pub async fn point(&self, name: &str, address: &str) {
        let manage = |what: &str, body: Value| {
            let url = format!("http://127.0.0.1:{}/{what}", self.dns_management_port);
            self.client.post(url).body(body.to_string()).send()
        };
        manage("clear-a", json!({ "host": name })).await.expect("an answer");
        let added = manage("add-a", json!({ "host": name, "addresses": [address] })).await.expect("an answer");
        assert!(added.status().is_success(), "{added:?}");
    }
}

fn spawn(command: &mut Command) -> Process {
    Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts"))
}

/// Free for TCP and UDP at this moment, and below the ports that the system gives out by itself: no one takes it meanwhile.
pub fn free_port() -> u16 {
    loop {
        let port = 10_000 + rand::random::<u16>() % 20_000;
        let (tcp, udp) = (TcpListener::bind(("0.0.0.0", port)), UdpSocket::bind(("127.0.0.1", port)));
        if tcp.is_ok() && udp.is_ok() {
            return port;
        }
    }
}

/// An authority for the ACME server itself, and a client that trusts it.
fn make_certificates(home: &Path) -> reqwest::Client {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
    let server = server.signed_by(&key, &ca).expect("signed");
    for (name, text) in [("ca.pem", ca.pem()), ("server.pem", server.pem()), ("server.key", key.serialize_pem())] {
        std::fs::write(home.join(name), text).expect("writable");
    }
    let root = reqwest::Certificate::from_pem(ca.pem().as_bytes()).expect("PEM");
    reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().expect("a client")
}
