//! A real `PgBouncer` in front of a PostgreSQL, in transaction mode: each transaction may reach another connection of the server.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::LazyLock;

use super::postgres;

/// Starts it in a fresh directory, and ends it with its input, which the system closes with this process. It refuses to run as root. Few
/// connections to the server, so that they are shared even by few clients.
const RUN: &str = r#"
set -eu
folder=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-pgbouncer.XXXXXX")
as() { if [ "$(id -u)" = 0 ]; then exec setpriv --reuid postgres --regid postgres --clear-groups "$@"; else exec "$@"; fi; }
cat >"$folder/pgbouncer.ini" <<END
[databases]
* = host=$HOST port=$PORT user=postgres
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = $folder
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 900
server_login_retry = 1
END
if [ "$(id -u)" = 0 ]; then chown -R postgres: "$folder"; fi
as pgbouncer "$folder/pgbouncer.ini" >"$folder.log" 2>&1 </dev/null &
pooler=$!
trap 'kill -INT $pooler 2>/dev/null; wait $pooler 2>/dev/null; rm -rf "$folder" "$folder.log"' EXIT
until [ -S "$folder/.s.PGSQL.6432" ]; do
  kill -0 $pooler 2>/dev/null || { cat "$folder.log" >&2; exit 1; }
  sleep 0.05
done
echo "$folder"
cat >/dev/null
"#;

/// A running pooler; it ends with this value.
pub struct PgBouncer {
    folder: String,
    _alive: ChildStdin,
}

/// The one that the cases share, in front of the server that they share.
pub fn shared() -> &'static PgBouncer {
    static SHARED: LazyLock<PgBouncer> = LazyLock::new(|| PgBouncer::before(postgres::shared()));
    &SHARED
}

impl PgBouncer {
    /// In front of every database of a server.
    pub fn before(server: &postgres::Server) -> Self {
        let mut runner = Command::new("sh");
        runner.args(["-c", RUN]).env("HOST", server.folder()).env("PORT", server.port().to_string());
        runner.stdin(Stdio::piped()).stdout(Stdio::piped());
        // It ends with this value: no one is left to wait for it.
        #[allow(clippy::zombie_processes)]
        let mut runner = runner.spawn().expect("a shell");
        let mut folder = String::new();
        let output = runner.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut folder).expect("a line");
        assert!(!folder.is_empty(), "PgBouncer did not start (apt-get install pgbouncer): see above");
        Self { folder: folder.trim().to_owned(), _alive: runner.stdin.take().expect("piped") }
    }

    /// The address of a database of the server, through the pooler.
    pub fn address(&self, url: &str) -> String {
        let (path, _) = url.split_once("?host=").expect("an address over a socket");
        let name = path.rsplit('/').next().expect("a name");
        format!("postgres://postgres@localhost:6432/{name}?host={}", self.folder)
    }
}
