# Sourced. What the nodes share: PostgreSQL behind PgBouncer, a server of S3, and in front of them a TCP balancer.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

s3s_version=0.14.1
s3_server=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/portcullis-interop/s3s-fs/bin/s3s-fs
bucket=registry

services_need() {
  need pg_createcluster:postgresql pgbouncer:pgbouncer haproxy:haproxy setpriv:util-linux curl:curl jq:jq python3:python3
  postgres_programs=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  [[ -x $postgres_programs/initdb ]] || { echo "cluster: missing: initdb (Debian package postgresql)" >&2 && exit 2; }
  cargo_tool_install s3s-fs "$s3s_version" binary
}

# Neither PostgreSQL nor PgBouncer runs as root.
as_postgres=(env)
[[ $EUID -ne 0 ]] || as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups)

services_start() {
  secret=$(head -c 24 /dev/urandom | base64 | tr -d '/+=')
  chmod 711 "$work"
  install -d -m 700 "$work/postgres" "$work/pgbouncer" "$work/bucket" "$work/bucket/$bucket"
  [[ $EUID -ne 0 ]] || chown postgres: "$work/postgres" "$work/pgbouncer"
  printf '%s\n' "$secret" >"$work/database-password"
  chmod 600 "$work/database-password"
  postgres_make
  postgres_start
  pooler_start
  bucket_start
}

postgres_make() {
  (cd "$work/postgres" && "${as_postgres[@]}" "$postgres_programs/initdb" --pgdata "$work/postgres/data" --username postgres --auth-local trust \
    --auth-host scram-sha-256 --encoding UTF8 --locale C.UTF-8 >"$work/initdb.log" 2>&1) || { cat "$work/initdb.log" >&2 && exit 1; }
  postgres_start
  psql_run postgres "CREATE ROLE portcullis LOGIN PASSWORD '$secret'" "CREATE DATABASE portcullis OWNER portcullis"
  stop postgres INT
}

postgres_start() {
  start postgres "${as_postgres[@]}" "$postgres_programs/postgres" -D "$work/postgres/data" -k "$work/postgres" -p "${port[postgres]}" \
    -c listen_addresses=127.0.0.1 -c max_connections=100
  started postgres 20 database_answers
}

# psql_run DATABASE STATEMENT... - as the owner of the server.
psql_run() {
  local database=$1 statement arguments=()
  shift
  for statement in "$@"; do arguments+=(--command "$statement"); done
  (cd / && "${as_postgres[@]}" "$postgres_programs/psql" --host "$work/postgres" --port "${port[postgres]}" --username postgres --no-psqlrc \
    --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --dbname "$database" "${arguments[@]}")
}

pooler_start() {
  cat >"$work/pgbouncer/pgbouncer.ini" <<INI
[databases]
portcullis = host=127.0.0.1 port=${port[postgres]} dbname=portcullis user=portcullis password=$secret
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port[pgbouncer]}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $work/pgbouncer/users
pool_mode = transaction
default_pool_size = 20
max_client_conn = 500
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
INI
  printf '"portcullis" "%s"\n' "$secret" >"$work/pgbouncer/users"
  chmod 600 "$work"/pgbouncer/*
  [[ $EUID -ne 0 ]] || chown postgres: "$work"/pgbouncer/*
  start pgbouncer "${as_postgres[@]}" pgbouncer --quiet "$work/pgbouncer/pgbouncer.ini"
  started pgbouncer 10 listens pgbouncer
}

bucket_start() {
  printf '%s\n' "$bucket-access" >"$work/s3-access-key"
  printf '%s\n' "$secret" >"$work/s3-secret-key"
  chmod 600 "$work"/s3-*-key
  start s3 "$s3_server" --host 127.0.0.1 --port "${port[s3]}" --access-key "$bucket-access" --secret-key "$secret" "$work/bucket"
  started s3 10 listens s3
}

# The balancer tells each node the client's address, and comes from an address that only it uses: the nodes trust it alone.
balancer_start() {
  local node
  {
    cat <<CONFIGURATION
global
  maxconn 4000
defaults
  mode tcp
  timeout connect 2s
  timeout client 90s
  timeout server 90s
  timeout check 2s
  retries 3
  option redispatch 1
listen registry
  bind 127.0.0.1:${port[balancer]}
  balance leastconn
  source 127.0.0.2
  option httpchk GET /health/ready
  default-server check check-ssl verify none check-send-proxy send-proxy-v2 inter 500ms fastinter 200ms downinter 500ms fall 1 rise 1
CONFIGURATION
    for node in "${nodes[@]}"; do printf '  server %s 127.0.0.1:%s\n' "$node" "${port[$node]}"; done
  } >"$work/haproxy.cfg"
  start haproxy haproxy -db -f "$work/haproxy.cfg"
  started haproxy 20 ready balancer
}

database_answers() { psql_run postgres 'SELECT 1' >/dev/null; }
