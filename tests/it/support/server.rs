//! The program itself, started on a free port with a data directory of its own, and stopped when the test ends.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::database::{Database, of_this_run};
use super::{Actor, DEADLINE, s3};

pub const ADMIN_PASSWORD: &str = "the administrator's password";
pub const ALICE_PASSWORD: &str = "alice:has a colon in it";

/// The stories keep blobs in a bucket where this variable of the environment is `s3`.
const BLOBS: &str = "PORTCULLIS_TEST_BLOBS";

/// A running server.
pub struct Server {
    home: TempDir,
    data: PathBuf,
    config: String,
    /// The database server's address, where the stories run on one.
    database: Option<String>,
    /// Where the blobs are, where they are not in the data directory.
    bucket: Option<Arc<s3::Bucket>>,
    /// Further variables of the environment.
    environment: Vec<(String, String)>,
    process: Option<Process>,
    ca: String,
}

struct Process {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// A fresh registry with the administrator `admin`.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same with a configuration file of this text.
    pub async fn start_with(config: &str) -> Self {
        let mut server = Self::absent(config);
        server.initialise();
        server.spawn().await;
        server
    }

    /// Nothing yet: a data directory that does not exist, and no process.
    pub fn absent(config: &str) -> Self {
        let home = TempDir::new().expect("a temporary directory");
        let data = home.path().join("data");
        Self {
            home,
            data,
            config: config.to_owned(),
            database: of_this_run(),
            bucket: bucket(),
            environment: Vec::new(),
            process: None,
            ca: String::new(),
        }
    }

    /// The same, with a data directory elsewhere.
    pub fn absent_at(data: &Path, config: &str) -> Self {
        let mut server = Self::absent(config);
        data.clone_into(&mut server.data);
        server
    }

    /// The same, on this database server.
    pub fn absent_on(url: &str, config: &str) -> Self {
        let mut server = Self::absent(config);
        server.database = Some(url.to_owned());
        server
    }

    /// A variable of the environment, from the next start or command on.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// CA, certificate and the administrator `admin`.
    pub fn initialise(&mut self) {
        self.run_with_input(&["init", "--host", "localhost", "--admin-password-stdin"], ADMIN_PASSWORD);
    }

    /// What the configuration file says from the next start or command on.
    pub fn configure(&mut self, config: &str) {
        config.clone_into(&mut self.config);
    }

    /// A fresh registry, its administrator, the user alice, and someone who has not logged in.
    pub async fn start_with_people() -> (Self, Actor, Actor, Actor) {
        let server = Self::start().await;
        server.add_user("alice", ALICE_PASSWORD);
        let (admin, alice, anonymous) =
            (server.actor("admin", ADMIN_PASSWORD), server.actor("alice", ALICE_PASSWORD), server.anonymous());
        (server, admin, alice, anonymous)
    }

    /// Starts the process; returns when it serves.
    pub async fn spawn(&mut self) {
        self.spawn_on("127.0.0.1:0").await;
    }

    /// The same on this address and port.
    pub async fn spawn_on(&mut self, listen: &str) {
        let mut command = self.command(&["serve", "--listen", listen]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (ready, port) = tokio::sync::oneshot::channel();
        let (kept, also) = (Arc::clone(&log), Arc::clone(&log));
        std::thread::spawn(move || follow(BufReader::new(stdout), &kept, Some(ready)));
        std::thread::spawn(move || follow(BufReader::new(stderr), &also, None));
        let port = tokio::time::timeout(DEADLINE, port).await.expect("it serves");
        let port = port.unwrap_or_else(|_| panic!("the server ended early:\n{}", log.lock().expect("not poisoned")));
        self.process = Some(Process { child, port, log });
        if self.ca.is_empty() {
            self.ca = String::from_utf8(self.run(&["ca", "export"]).stdout).expect("PEM is text");
        }
    }

    /// A user with this password, added by the command line.
    pub fn add_user(&self, name: &str, password: &str) {
        self.run_with_input(&["user", "add", name, "--password-stdin"], password);
    }

    /// Someone with credentials.
    pub fn actor(&self, name: &str, password: &str) -> Actor {
        Actor::new(self.port(), &self.ca, Some((name, password)))
    }

    /// alice, with a client that does not offer HTTP/2.
    pub fn alice_over_http1(&self) -> Actor {
        Actor::over_http1(self.port(), &self.ca, Some(("alice", ALICE_PASSWORD)))
    }

    /// The same, at another address of this machine.
    pub fn actor_at(&self, address: [u8; 4], name: &str, password: &str) -> Actor {
        Actor::at(self.port(), &self.ca, Some((name, password)), address.into())
    }

    /// Someone without.
    pub fn anonymous(&self) -> Actor {
        Actor::new(self.port(), &self.ca, None)
    }

    /// Someone with a client certificate and no password.
    pub fn certified(&self, pair: &str) -> Actor {
        Actor::with_certificate(self.port(), &self.ca, pair, true)
    }

    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub fn port(&self) -> u16 {
        self.process.as_ref().expect("running").port
    }

    /// `localhost:PORT`.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port())
    }

    /// The CA as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Keeps the blobs in this bucket.
    #[must_use]
    pub fn with_bucket(mut self, bucket: &Arc<s3::Bucket>) -> Self {
        self.bucket = Some(Arc::clone(bucket));
        self
    }

    /// Works on this database server's database.
    #[must_use]
    pub fn with_database(mut self, url: &str) -> Self {
        self.database = Some(url.to_owned());
        self
    }

    /// Keeps everything in the data directory, wherever the stories run.
    pub fn keep_in_a_file(&mut self) {
        (self.database, self.bucket) = (None, None);
    }

    /// From the next start or command on.
    pub fn keep_at(&mut self, data: &Path, database: Option<String>, bucket: Option<Arc<s3::Bucket>>) {
        data.clone_into(&mut self.data);
        (self.database, self.bucket) = (database, bucket);
    }

    /// Where everything but the content of blobs is.
    pub fn database(&self) -> Database {
        match &self.database {
            Some(url) => Database::Server(url.clone()),
            None => Database::File(self.data.join("portcullis.db")),
        }
    }

    /// A directory for files that the test needs next to the data directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("running").child.id()
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.process.as_ref().expect("running").log.lock().expect("not poisoned").clone()
    }

    /// The whole log, once the server has ended.
    pub async fn log_at_its_end(&mut self) -> String {
        let log = Arc::clone(&self.process.as_ref().expect("running").log);
        self.wait().await;
        // The threads that read it let go of the log when there is no more.
        while Arc::strong_count(&log) > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let text = log.lock().expect("not poisoned");
        text.clone()
    }

    /// Runs a command on the server's data directory; it must succeed.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "")
    }

    /// The same with something on stdin.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let output = self.try_run(arguments, input);
        assert!(
            output.status.success(),
            "portcullis {arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Runs a command, whatever comes of it.
    pub fn try_run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // A command that reads no stdin may be gone before we write.
        let _ = child.stdin.take().expect("stdin was piped").write_all(input.as_bytes());
        child.wait_with_output().expect("the program ends")
    }

    /// The program with this server's data directory and configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let config = self.home.path().join("test.toml");
        std::fs::write(&config, &self.config).expect("the directory is writable");
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.database.iter().map(|url| ("PORTCULLIS_DATABASE_URL", url)));
        command.envs(self.bucket.iter().flat_map(|bucket| bucket.variables(self.home.path())));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("--data").arg(&self.data).arg("--config").arg(config).args(arguments);
        command
    }

    /// Ends the process as `docker stop` does; returns when it is gone.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait().await
    }

    /// Ends the process as a power cut of the process does.
    pub async fn kill(&mut self) {
        self.signal("KILL");
        self.wait().await;
    }

    /// Sends a signal, by the process's number.
    pub fn signal(&self, name: &str) {
        let signal = match name {
            "TERM" => Signal::TERM,
            "KILL" => Signal::KILL,
            "HUP" => Signal::HUP,
            "INT" => Signal::INT,
            "STOP" => Signal::STOP,
            "CONT" => Signal::CONT,
            other => panic!("no signal is called {other} here"),
        };
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process's number");
        kill_process(pid, signal).expect("the process is ours");
    }

    /// Waits until the process is gone.
    pub async fn wait(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("running");
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = process.child.try_wait().expect("a child of ours") {
                return status;
            }
            assert!(Instant::now() < until, "the server does not stop");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

/// Keeps the log, and tells the port when it is named.
fn follow(stdout: impl BufRead, log: &Mutex<String>, mut ready: Option<tokio::sync::oneshot::Sender<u16>>) {
    for line in stdout.lines().map_while(Result::ok) {
        if let Some(port) = served_port(&line)
            && let Some(ready) = ready.take()
        {
            let _ = ready.send(port);
        }
        log.lock().expect("not poisoned").extend([line.as_str(), "\n"]);
    }
}

fn served_port(line: &str) -> Option<u16> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    event.get("message")?.as_str()?.starts_with("serving https").then_some(())?;
    event.get("address")?.as_str()?.rsplit(':').next()?.parse().ok()
}

/// A bucket of its own, where the stories keep blobs in one.
fn bucket() -> Option<Arc<s3::Bucket>> {
    match std::env::var(BLOBS).ok().as_deref() {
        None | Some("disk") => None,
        Some("s3") => Some(Arc::new(s3::Bucket::new())),
        Some(other) => panic!("{BLOBS} is {other:?}: disk or s3"),
    }
}
