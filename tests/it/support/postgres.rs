//! A real PostgreSQL for the tests: one server for the process, which ends with it, and a database for each case.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

/// Starts a server in a fresh directory and waits for the end of its input, which the system closes with this process. The server does not
/// run as root, so the directory belongs to the package's user; nothing is synced, because no one pulls the plug.
const RUN: &str = r#"
set -eu
folder=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-postgres.XXXXXX")
as() { if [ "$(id -u)" = 0 ]; then exec setpriv --reuid postgres --regid postgres --clear-groups "$@"; else exec "$@"; fi; }
if [ "$(id -u)" = 0 ]; then chown postgres: "$folder"; fi
cd "$folder"
(as "$BIN/initdb" --pgdata "$folder/data" --username postgres --auth trust --no-sync --encoding UTF8 --locale C.UTF-8) >"$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
as "$BIN/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c max_connections=400 >"$folder.log" 2>&1 </dev/null &
server=$!
trap 'kill -INT $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$folder" "$folder.log"' EXIT
until "$BIN/pg_isready" --quiet --host "$folder"; do
  kill -0 $server 2>/dev/null || { cat "$folder.log" >&2; exit 1; }
  sleep 0.05
done
echo "$folder"
cat >/dev/null
"#;

struct Server {
    folder: String,
    /// Closed by the end of this process.
    _alive: ChildStdin,
}

static SERVER: LazyLock<Server> = LazyLock::new(start);
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The address of an empty database of its own.
pub fn database() -> String {
    let name = format!("case_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let folder = &SERVER.folder;
    let made = Command::new(programs().join("createdb"))
        .args(["--host", folder, "--username", "postgres", "--strategy", "file_copy", "--template", "template0", &name])
        .output();
    let made = made.expect("createdb runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    format!("postgres://postgres@localhost/{name}?host={folder}")
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

fn start() -> Server {
    let mut runner = Command::new("sh");
    runner.args(["-c", RUN]).env("BIN", programs()).stdin(Stdio::piped()).stdout(Stdio::piped());
    // It ends with this process: no one is left to wait for it.
    #[allow(clippy::zombie_processes)]
    let mut runner = runner.spawn().expect("a shell");
    let mut folder = String::new();
    let output = runner.stdout.take().expect("piped");
    BufReader::new(output).read_line(&mut folder).expect("a line");
    assert!(!folder.is_empty(), "PostgreSQL did not start: see above");
    Server { folder: folder.trim().to_owned(), _alive: runner.stdin.take().expect("piped") }
}

/// Where Debian has the programs of the newest version that is installed.
fn programs() -> PathBuf {
    let found = glob::glob("/usr/lib/postgresql/*/bin/postgres").expect("a pattern").filter_map(Result::ok);
    let newest = found.max().expect("PostgreSQL is missing: apt-get install postgresql");
    newest.parent().expect("a directory").to_owned()
}
