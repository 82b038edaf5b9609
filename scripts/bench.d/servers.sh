# Sourced. The servers that are measured, each with fresh data: `ours`, `before` (an older portcullis), `distribution` (3, the Go
# module), `debian` (docker-registry 2.8.2), `nginx` (the same content as files) and `probe` (what is attainable).
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

declare -A port=() pid=()
password=a-password-of-some-length

# ports_choose - one for each server, and one for the relay, that is free at this moment.
ports_choose() {
  local name number
  while read -r name number; do port[$name]=$number; done < <(python3 - "${servers[@]}" relay <<'PYTHON'
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in sys.argv[1:]]
for name, listener in zip(sys.argv[1:], sockets):
    print(name, listener.getsockname()[1])
PYTHON
  )
}

# server_start NAME - starts the server; prints nothing; sets pid[NAME] and start_ms.
server_start() {
  local name=$1 begin
  command_of "$name"
  begin=$EPOCHREALTIME
  PORTCULLIS_DATA="$work/$name" PORTCULLIS_TLS_CERTIFICATE="$work/tls.pem" PORTCULLIS_TLS_PRIVATE_KEY="$work/tls.key" \
    OTEL_TRACES_EXPORTER=none "${server_command[@]}" >"$work/$name.log" 2>&1 &
  pid[$name]=$!
  until (exec 3<>"/dev/tcp/127.0.0.1/${port[$name]}") 2>/dev/null; do
    if ! kill -0 "${pid[$name]}" 2>/dev/null; then
      tail -n 5 "$work/$name.log" >&2
      echo "bench: $name did not start" >&2
      exit 1
    fi
  done
  start_ms=$(since "$begin")
  start_ms=$(awk -v a="$start_ms" -v b="$(ping_seconds "$name")" 'BEGIN { print a + 1000 * b }')
}

# The milliseconds since a time of $EPOCHREALTIME.
since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { print 1000 * (to - from) }'; }

# The time of the first answer, without the start of curl itself.
ping_seconds() { curl --silent --insecure --output /dev/null --write-out '%{time_total}' "$(url "$1")/v2/"; }

url() { printf 'https://localhost:%s' "${port[$1]}"; }

command_of() {
  case $1 in
    ours) server_command=("$binary" serve --listen "127.0.0.1:${port[ours]}" --host localhost) ;;
    postgresql)
      server_command=(env "PORTCULLIS_DATABASE_URL=$database_url" "$binary" serve --listen "127.0.0.1:${port[postgresql]}" --host localhost)
      ;;
    before) server_command=("$older" serve --listen "127.0.0.1:${port[before]}" --host localhost) ;;
    nginx)
      nginx_config >"$work/nginx.conf"
      server_command=(nginx -p "$work" -c "$work/nginx.conf" -g 'daemon off;')
      ;;
    probe) server_command=("$probe" "${port[probe]}" "$work/tls.pem" "$work/tls.key" "$work/probe") ;;
    distribution | debian)
      registry_config "$1" >"$work/$1.yml"
      server_command=("$distribution" serve "$work/$1.yml")
      [[ $1 == distribution ]] || server_command[0]=docker-registry
      ;;
  esac
}

# servers_prepare - what must exist before the first start of a round.
servers_prepare() {
  local name
  for name in "${servers[@]}"; do
    rm -rf "${work:?}/$name" "$work/$name".{large,warm,small}
    mkdir -p "$work/$name"
    case $name in
      ours) server_init ours "$binary" ;;
      before) server_init before "$older" ;;
      postgresql)
        postgres_database portcullis
        PORTCULLIS_DATABASE_URL=$database_url server_init postgresql "$binary"
        ;;
    esac
  done
}

server_init() {
  PORTCULLIS_DATA="$work/$1" "$2" init --host localhost --admin bench --admin-password-stdin <<<"$password" >/dev/null
}

server_stop() {
  [[ -n ${pid[$1]:-} ]] || return 0
  kill -TERM "${pid[$1]}" 2>/dev/null || true
  wait "${pid[$1]}" 2>/dev/null || true
  unset "pid[$1]"
}

servers_stop() {
  local name
  for name in "${!pid[@]}"; do
    server_stop "$name"
  done
}

# Without any login: every request that it serves is cheaper than ours by that.
registry_config() {
  cat <<YAML
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $work/$1}
  cache: {blobdescriptor: inmemory}
http:
  addr: 127.0.0.1:${port[$1]}
  tls: {certificate: $work/tls.pem, key: $work/tls.key}
YAML
}

# nginx with a worker for each core: the manifest and the blobs that the registries serve, as files, to everyone.
nginx_config() {
  cat <<NGINX
worker_processes auto;
user root;
pid $work/nginx.pid;
error_log $work/nginx.errors;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 100000000;
  server {
    listen 127.0.0.1:${port[nginx]} ssl backlog=4096;
    ssl_certificate $work/tls.pem;
    ssl_certificate_key $work/tls.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    root $work/nginx;
    location /v2/bench/app/manifests/ { types {} default_type application/vnd.oci.image.manifest.v1+json; }
  }
}
NGINX
}

# The certificate that all of them serve (P-256, as Portcullis makes them).
certificates_make() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost \
    -keyout "$work/tls.key" -out "$work/tls.pem" 2>/dev/null
}

# authorization NAME - the header that the requests to a server carry; nothing for a peer.
authorization() {
  case $1 in
    ours | before | postgresql) printf 'Authorization: Bearer %s' "$(our_token "$1")" ;;
  esac
}

basic() { printf 'Authorization: Basic %s' "$(printf '%s:%s' "$1" "$password" | base64 -w 0)"; }

# our_token NAME - from a portcullis.
our_token() {
  local scope='repository:bench/app:pull,push'
  curl --silent --fail --insecure --user "bench:$password" --get --data-urlencode "scope=$scope" \
    --data-urlencode "service=$(our_service "$1")" "$(url "$1")/auth/token" | jq -r .token
}

our_service() {
  curl --silent --insecure --output /dev/null --dump-header - "$(url "$1")/v2/" | sed -n 's/.*service="\([^"]*\)".*/\1/p'
}

# cpu_seconds NAME - of the server's process and of its children that live.
cpu_seconds() {
  local process=${pid[$1]} children
  children=$(cat "/proc/$process/task"/*/children 2>/dev/null || true)
  for process in "$process" $children; do cat "/proc/$process/stat"; done |
    awk -v hz="$(getconf CLK_TCK)" '{ ticks += $14 + $15 } END { print ticks / hz }'
}

# memory_mib NAME VmRSS|VmHWM - of all its processes; shared pages of nginx's workers are counted more than once.
memory_mib() {
  local process=${pid[$1]} children
  children=$(cat "/proc/$process/task"/*/children 2>/dev/null || true)
  for process in "$process" $children; do cat "/proc/$process/status"; done |
    awk -v what="$2:" '$1 == what { sum += $2 } END { print sum / 1024 }'
}

# memory_reset NAME - from here on, the peak is counted again.
memory_reset() { echo 5 >"/proc/${pid[$1]}/clear_refs"; }
