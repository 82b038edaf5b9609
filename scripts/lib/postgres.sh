# Sourced. A PostgreSQL server of one's own, over a socket and as durable as it comes, for scripts that have one for a while.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

postgres_pid=
# It does not run as root.
as_postgres=(env)
[[ $EUID -ne 0 ]] || as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups)

# postgres_start FOLDER - makes a server in a new folder, and starts it.
postgres_start() {
  local programs
  need pg_ctlcluster:postgresql setpriv:util-linux
  programs=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  postgres_folder=$1
  postgres_programs=$programs
  install -d -m 700 "$1"
  [[ $EUID -ne 0 ]] || chown postgres: "$1"
  chmod 711 "$(dirname "$1")"
  (cd "$1" && "${as_postgres[@]}" "$programs/initdb" --pgdata "$1/data" --username postgres --auth trust --encoding UTF8 \
    --locale C.UTF-8) >"$1.log" 2>&1 || { cat "$1.log" >&2 && exit 1; }
  (cd "$1" && exec "${as_postgres[@]}" "$programs/postgres" -D "$1/data" -k "$1" -c listen_addresses=) >"$1.log" 2>&1 </dev/null &
  postgres_pid=$!
  until "$programs/pg_isready" --quiet --host "$1"; do
    kill -0 "$postgres_pid" 2>/dev/null || { cat "$1.log" >&2 && exit 1; }
    sleep 0.1
  done
}

# postgres_database NAME - an empty database, instead of an earlier one; its address is $database_url.
postgres_database() {
  "$postgres_programs/dropdb" --if-exists --force --host "$postgres_folder" --username postgres "$1" 2>/dev/null
  "$postgres_programs/createdb" --host "$postgres_folder" --username postgres "$1"
  database_url="postgres://postgres@localhost/$1?host=$postgres_folder"
}

postgres_stop() {
  [[ -n $postgres_pid ]] || return 0
  kill -INT "$postgres_pid" 2>/dev/null || true
  wait "$postgres_pid" 2>/dev/null || true
  postgres_pid=
}
