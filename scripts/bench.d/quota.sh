# Sourced. `--quota`: 64 clients push small images into the repositories of one quota, next to the same without a quota, on SQLite and on two
# nodes over PostgreSQL; then into a quota that has room for half of them. Prints the speed, and by how much the limit was exceeded.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

quota_clients=64 quota_images=640 quota_least=0.95
declare -A quota_urls=()

quota_bench() {
  local engine
  need go:golang-go jq:jq
  client=$work/client
  (cd "$here/client" && GO111MODULE=off CGO_ENABLED=0 go build -o "$client" .)
  servers=(sqlite first second)
  ports_choose
  certificates_make
  printf '%-26s %14s %14s %9s   %s\n' 'images a second' 'without quota' 'with a quota' ratio 'bytes over the limit'
  for engine in "${quota_engines[@]}"; do
    quota_servers "$engine"
    quota_rounds "$engine"
    servers_stop
    postgres_stop
  done
}

# quota_servers ENGINE - sets quota_urls[ENGINE], and environment: what a command needs to see the same registry.
quota_servers() {
  local name
  if [[ $1 == sqlite ]]; then
    environment=("PORTCULLIS_DATA=$work/sqlite")
    quota_urls[sqlite]=$(url sqlite)
    quota_server sqlite
    return
  fi
  postgres_start "$work/server"
  postgres_database portcullis
  (umask 077 && head -c 32 /dev/urandom >"$work/data.key")
  environment=("PORTCULLIS_DATA=$work/first" "PORTCULLIS_DATABASE_URL=$database_url" "PORTCULLIS_SECRETS_KEY_FILE=$work/data.key")
  quota_urls[postgresql]=$(url first),$(url second)
  # Two nodes on one machine: one directory of blobs.
  mkdir -p "$work/shared" "$work"/{first,second}
  for name in first second; do ln -s "$work/shared" "$work/$name/blobs"; done
  for name in first second; do quota_server "$name" "${environment[@]:1}"; done
}

quota_server() {
  local name=$1
  shift
  [[ $name == second ]] || env "$@" PORTCULLIS_DATA="$work/$name" "$binary" init --host localhost --admin bench --admin-password-stdin \
    <<<"$password" >/dev/null
  env "$@" PORTCULLIS_DATA="$work/$name" PORTCULLIS_TLS_CERTIFICATE="$work/tls.pem" PORTCULLIS_TLS_PRIVATE_KEY="$work/tls.key" \
    "$binary" serve --listen "127.0.0.1:${port[$name]}" --host localhost >"$work/$name.log" 2>&1 &
  pid["$name"]=$!
  until curl --silent --insecure --output /dev/null "$(url "$name")/health/ready"; do
    kill -0 "${pid[$name]}" 2>/dev/null || { cat "$work/$name.log" >&2 && exit 1; }
    sleep 0.1
  done
}

quota_command() { env "${environment[@]}" "$binary" "$@"; }

# quota_push ENGINE SEED NAMESPACE [FLAG] - prints seconds, and with -may-refuse a line with how many were denied.
quota_push() {
  "$client" push -url "${quota_urls[$1]}" -header "$(basic bench)" -clients "$quota_clients" -count "$quota_images" -seed "$2" \
    -repository "$3/rN" "${@:4}"
}

# quota_rounds ENGINE - the first push of each kind creates the repositories.
quota_rounds() {
  local round seed=1 seconds over outcome=meets without=() with=()
  quota_command quota set --on 'limited/**' 1TiB >/dev/null
  for ((round = 0; round <= rounds; round++)); do
    read -r seconds _ < <(quota_push "$1" "$seed" free)
    ((round == 0)) || without+=("$seconds")
    read -r seconds _ < <(quota_push "$1" "$((seed + 1))" limited)
    seed=$((seed + 2))
    ((round == 0)) || with+=("$seconds")
  done
  over=$(quota_overflow "$1" "$seed")
  read -r without with ratio < <(python3 -c '
import statistics, sys
images, of = int(sys.argv[1]), lambda texts: statistics.median(map(float, texts.split()))
without, limited = of(sys.argv[2]), of(sys.argv[3])
print(f"{images / without:.1f} {images / limited:.1f} {without / limited:.3f}")' "$quota_images" "${without[*]}" "${with[*]}")
  awk -v r="$ratio" -v least="$quota_least" -v over="$over" 'BEGIN { exit !(r >= least && over <= 0) }' || {
    outcome=MISSES
    missed=$((missed + 1))
  }
  printf '%-26s %14s %14s %8sx   %s   %-7s >= %sx, 0 bytes\n' "$1" "$without" "$with" "$ratio" "$over" "$outcome" "$quota_least"
}

# quota_overflow ENGINE SEED - pushes twice what fits; by how many bytes the limit is exceeded, counted from the rows themselves. Fails where
# nothing was refused, or the count is wrong.
quota_overflow() {
  local denied limit used stored
  quota_command quota set --on 'half/**' 12MiB >/dev/null
  denied=$(quota_push "$1" "$2" half -may-refuse | sed -n 2p)
  read -r limit used < <(quota_command quota list --json | jq -r '.[] | select(.on == "half/**") | "\(.limit) \(.used)"')
  stored=$(quota_command usage 'half/**' --json | jq -r '.[0].unique_bytes')
  if ((denied == 0 || denied == quota_images || used != stored)); then
    echo "bench: $denied of $quota_images pushes were denied; $used bytes were counted, $stored are stored" >&2
    exit 1
  fi
  echo $((stored > limit ? stored - limit : 0))
}
