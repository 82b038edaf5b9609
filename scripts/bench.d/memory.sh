# Sourced. `--memory`: the resident memory of an idle server, and its peak with a thousand pushes of 10 MiB, and a thousand pulls of them, at
# the same time, each over a connection of its own.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

memory_clients=1000 memory_bytes=$((10 << 20))

memory_bench() {
  local idle path seconds again
  need go:golang-go jq:jq curl:curl
  ulimit -n "$(ulimit -H -n)"
  client=$work/client
  (cd "$here/client" && GO111MODULE=off CGO_ENABLED=0 go build -o "$client" .)
  ports_choose
  certificates_make
  server_init ours "$binary"
  PORTCULLIS_SERVER_MAX_CONNECTIONS_PER_ADDRESS=$((2 * memory_clients)) server_start ours
  sleep 2
  printf '%-40s %10s %10s %14s\n' 'resident memory, MiB' peak limit 'seconds (again)'
  memory_line idle "$(memory_mib ours VmRSS)" 40 -
  memory_reset ours
  read -r seconds again < <("$client" flood -url "$(url ours)" -header "$(basic bench)" -clients "$memory_clients" -size "$memory_bytes" \
    -repository bench/app)
  memory_line "$memory_clients pushes of 10 MiB" "$(memory_mib ours VmHWM)" 256 "$seconds ($again)"
  memory_reset ours
  path=/v2/bench/app/blobs/$(memory_digest)
  read -r seconds again < <("$client" flood -url "$(url ours)" -header "$(basic bench)" -clients "$memory_clients" -path "$path")
  memory_line "$memory_clients pulls of 10 MiB" "$(memory_mib ours VmHWM)" 256 "$seconds ($again)"
}

# memory_digest - of the blob that was pushed: the one that is in the database.
memory_digest() {
  python3 -c 'import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute("SELECT digest FROM blobs").fetchone())' "$work/ours/portcullis.db"
}

# memory_line TITLE PEAK LIMIT NOTE
memory_line() {
  local outcome=meets
  awk -v peak="$2" -v limit="$3" 'BEGIN { exit !(peak <= limit) }' || {
    outcome=MISSES
    missed=$((missed + 1))
  }
  printf '%-40s %10.1f %10s %14s   %s\n' "$1" "$2" "<= $3" "$4" "$outcome"
}
