# Sourced. The servers that are measured, each with fresh data: `ours`, `token` (docker-registry that checks our kind
# of token), and `htpasswd` (docker-registry with passwords, bcrypt at its own default cost of 10).
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

declare -A port=([ours]=15001 [token]=15002 [htpasswd]=15003 [nginx]=15004 [before]=15005)
declare -A pid=()
password=a-password-of-some-length

# server_start NAME - starts the server; prints nothing; sets pid[NAME] and start_ms.
server_start() {
  local name=$1 begin
  command_of "$name"
  begin=$EPOCHREALTIME
  PORTCULLIS_DATA="$work/$name" PORTCULLIS_TLS_CERTIFICATE="$work/tls.pem" PORTCULLIS_TLS_PRIVATE_KEY="$work/tls.key" \
    "${server_command[@]}" >"$work/$name.log" 2>&1 &
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

# insist_on_authorization NAME - a comparison with a server that lets everyone in would prove nothing.
insist_on_authorization() {
  local status
  status=$(curl --silent --insecure --output /dev/null --write-out '%{http_code}' "$(url "$1")/v2/bench/app/manifests/latest")
  [[ $status == 401 ]] || {
    echo "bench: $1 answered $status, not 401, without credentials" >&2
    exit 1
  }
}

# The time of the first answer, without the start of curl itself.
ping_seconds() { curl --silent --insecure --output /dev/null --write-out '%{time_total}' "$(url "$1")/v2/"; }

url() { printf 'https://localhost:%s' "${port[$1]}"; }

command_of() {
  case $1 in
    ours) server_command=("$binary" serve --listen "127.0.0.1:${port[ours]}" --host localhost) ;;
    before) server_command=("$older" serve --listen "127.0.0.1:${port[before]}" --host localhost) ;;
    nginx)
      nginx_config >"$work/nginx.conf"
      server_command=(nginx -p "$work" -c "$work/nginx.conf" -g 'daemon off;')
      ;;
    *)
      registry_config "$1" >"$work/$1.yml"
      server_command=(docker-registry serve "$work/$1.yml")
      ;;
  esac
}

# servers_prepare - what must exist before the first start of a round.
servers_prepare() {
  rm -rf "$work"/{ours,before,token,htpasswd}
  mkdir -p "$work"/{ours,before,token,htpasswd}
  PORTCULLIS_DATA="$work/ours" "$binary" init --host localhost --admin bench --admin-password-stdin <<<"$password" >/dev/null
  [[ -z ${older:-} ]] || PORTCULLIS_DATA="$work/before" "$older" init --host localhost --admin bench --admin-password-stdin <<<"$password" >/dev/null
  { htpasswd -Bbn -C 10 bench "$password" && htpasswd -Bbn -C 5 cheap "$password"; } >"$work/users" 2>/dev/null
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
  case $1 in
    htpasswd) printf 'auth: {htpasswd: {realm: bench, path: %s}}\n' "$work/users" ;;
    token)
      printf 'auth: {token: {realm: "https://localhost/none", service: bench, issuer: bench, rootcertbundle: %s}}\n' \
        "$work/signer.pem"
      ;;
  esac
}

# nginx with a worker for each core: the manifest that the registries serve, as a file, to everyone.
nginx_config() {
  cat <<NGINX
worker_processes auto;
user root;
pid $work/nginx.pid;
error_log $work/nginx.errors;
events { worker_connections 1024; }
http {
  access_log off;
  server {
    listen 127.0.0.1:${port[nginx]} ssl backlog=4096;
    ssl_certificate $work/tls.pem;
    ssl_certificate_key $work/tls.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    location = /v2/bench/app/manifests/latest { alias $work/manifest; }
  }
}
NGINX
}

# The certificate that all of them serve (P-256, as Portcullis makes them), and the signer of docker-registry's tokens.
certificates_make() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$work/tls.key" -out "$work/tls.pem" 2>/dev/null
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=signer \
    -keyout "$work/signer.key" -out "$work/signer.pem" 2>/dev/null
}

# authorization NAME - the header that the requests of a run carry.
authorization() {
  case $1 in
    ours | before) printf 'Authorization: Bearer %s' "$(our_token "$1")" ;;
    token) printf 'Authorization: Bearer %s' "$(registry_token)" ;;
    *) basic bench ;;
  esac
}

# basic USER - the user `cheap` of docker-registry has a bcrypt hash of cost 5, as the program htpasswd makes by itself.
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

# docker-registry 2.8 names keys by libtrust's fingerprint. RS256 is cheaper to verify than our ES256: a generous choice.
registry_token() {
  local header claims now
  now=$(date +%s)
  header=$(printf '{"typ":"JWT","alg":"RS256","kid":"%s"}' "$(signer_fingerprint)" | base64url)
  claims=$(printf '{"iss":"bench","sub":"bench","aud":"bench","exp":%d,"nbf":%d,"iat":%d,"jti":"1","access":%s}' \
    $((now + 3600)) $((now - 60)) "$now" '[{"type":"repository","name":"bench/app","actions":["pull","push"]}]' | base64url)
  printf '%s.%s.%s' "$header" "$claims" \
    "$(printf '%s.%s' "$header" "$claims" | openssl dgst -sha256 -sign "$work/signer.key" | base64url)"
}

signer_fingerprint() {
  openssl x509 -in "$work/signer.pem" -noout -pubkey | openssl pkey -pubin -outform der |
    openssl dgst -sha256 -binary | head -c 30 | base32 -w 0 | sed 's/..../&:/g; s/:$//'
}

base64url() { base64 -w 0 | tr '+/' '-_' | tr -d '='; }
