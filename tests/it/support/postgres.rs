//! A real PostgreSQL for the tests: one server for the process, which ends with it, and a database for each case.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

/// Starts a server in a fresh directory, does what it is told line by line, and ends with its input, which the system closes with this
/// process. The server does not run as root, so the directory belongs to the package's user; nothing is synced, because no one pulls the
/// plug. Over a socket it asks for no password, over TCP for one and for TLS.
const RUN: &str = r#"
set -eu
folder=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-postgres.XXXXXX")
as() { if [ "$(id -u)" = 0 ]; then exec setpriv --reuid postgres --regid postgres --clear-groups "$@"; else exec "$@"; fi; }
start() {
  as "$BIN/postgres" -D "$folder/data" -k "$folder" -c port="$PORT" -c fsync=off -c max_connections=400 "$@" >"$folder.log" 2>&1 </dev/null &
  server=$!
  until (as "$BIN/pg_isready" --host "$folder" --port "$PORT" --quiet); do
    kill -0 $server 2>/dev/null || { cat "$folder.log" >&2; exit 1; }
    sleep 0.05
  done
}
run() {
  if [ -n "$CERTIFICATES" ]; then
    start -c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file="$folder/server.pem" -c ssl_key_file="$folder/server.pem" -c ssl_ca_file="$folder/ca.pem"
  else
    start -c listen_addresses=
  fi
}
echo "$PASSWORD" >"$folder/password"
if [ -n "$CERTIFICATES" ]; then cp "$CERTIFICATES"/*.pem "$folder"; chmod 600 "$folder"/*.pem; fi
if [ "$(id -u)" = 0 ]; then chown -R postgres: "$folder"; fi
cd "$folder"
(as "$BIN/initdb" --pgdata "$folder/data" --username postgres --pwfile "$folder/password" --auth-local trust --auth-host scram-sha-256 --no-sync --encoding UTF8 --locale C.UTF-8) >"$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
trap 'kill -INT $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$folder" "$folder.log"' EXIT
run
echo "$folder"
while read -r order; do
  case $order in
    stop) kill -INT $server; wait $server || true ;;
    crash) kill -QUIT $server; wait $server || true ;;
    start) run ;;
  esac
  echo done
done
"#;

/// The password of the user postgres, over TCP.
pub const PASSWORD: &str = "the database's password";

/// A running server.
pub struct Server {
    folder: String,
    port: u16,
    orders: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(5432, None));
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The address of an empty database of its own.
pub fn database() -> String {
    SHARED.database()
}

impl Server {
    /// On this port, which is a part of the socket's name; with `server.pem` and `ca.pem` of a directory, on 127.0.0.1 as well.
    fn start(port: u16, certificates: Option<&Path>) -> Self {
        let mut runner = Command::new("sh");
        runner.args(["-c", RUN]).env("BIN", programs()).env("PORT", port.to_string()).env("PASSWORD", PASSWORD);
        runner.env("CERTIFICATES", certificates.unwrap_or(Path::new("")));
        runner.stdin(Stdio::piped()).stdout(Stdio::piped());
        // It ends with this process: no one is left to wait for it.
        #[allow(clippy::zombie_processes)]
        let mut runner = runner.spawn().expect("a shell");
        let mut output = BufReader::new(runner.stdout.take().expect("piped"));
        let mut folder = String::new();
        output.read_line(&mut folder).expect("a line");
        assert!(!folder.is_empty(), "PostgreSQL did not start: see above");
        let orders = Mutex::new((runner.stdin.take().expect("piped"), output));
        Self { folder: folder.trim().to_owned(), port, orders }
    }

    /// The address of an empty database of its own, over the socket.
    pub fn database(&self) -> String {
        let name = format!("case_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut create = Command::new(programs().join("createdb"));
        create.args(["--host", &self.folder, "--port", &self.port.to_string(), "--username", "postgres"]);
        let made = create.args(["--strategy", "file_copy", "--template", "template0", &name]).output();
        let made = made.expect("createdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        format!("postgres://postgres@localhost:{}/{name}?host={}", self.port, self.folder)
    }
}

#[allow(dead_code, reason = "the tests of statements have no need of it")]
impl Server {
    /// One that serves this test alone, so that it may be stopped.
    pub fn own() -> Self {
        Self::start(5432, None)
    }

    /// One that serves over TLS too, with `server.pem` (certificates and key) and `ca.pem` (of clients) of this directory.
    pub fn over_tls(certificates: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        Self::start(port.expect("a free port").port(), Some(certificates))
    }

    /// The path of its socket.
    pub fn socket(&self) -> String {
        format!("{}/.s.PGSQL.{}", self.folder, self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// As its administrator does it: connections are told.
    pub fn stop(&self) {
        self.order("stop");
    }

    /// Everything ends at once, and the next start recovers.
    pub fn crash(&self) {
        self.order("crash");
    }

    /// After it was stopped.
    pub fn start_again(&self) {
        self.order("start");
    }

    fn order(&self, order: &str) {
        let (orders, answers) = &mut *self.orders.lock().expect("not poisoned");
        writeln!(orders, "{order}").expect("it listens");
        let mut answer = String::new();
        answers.read_line(&mut answer).expect("a line");
        assert_eq!(answer, "done\n", "{order}");
    }
}

/// The server that the cases share.
#[allow(dead_code, reason = "the tests of statements have no need of it")]
pub fn shared() -> &'static Server {
    &SHARED
}

/// Every byte of a database, with what is not text as far as it is text.
#[allow(dead_code, reason = "the tests of statements have no need of it")]
pub fn dump(url: &str) -> Vec<u8> {
    let mut command = Command::new(programs().join("pg_dump"));
    let dump = command.args(["--dbname", url]).env("PGOPTIONS", "-c bytea_output=escape").output();
    let dump = dump.expect("pg_dump runs");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    dump.stdout
}

/// A connection, as another program has it.
pub async fn connect(url: &str) -> PgConnection {
    PgConnectOptions::from_str(url).expect("an address").connect().await.expect("the server answers")
}

/// Where Debian has the programs of the newest version that is installed.
fn programs() -> PathBuf {
    let found = glob::glob("/usr/lib/postgresql/*/bin/postgres").expect("a pattern").filter_map(Result::ok);
    let newest = found.max().expect("PostgreSQL is missing: apt-get install postgresql");
    newest.parent().expect("a directory").to_owned()
}
