# Sourced. `--growth`: how cost grows with what is stored. The same requests to a registry of a thousand repositories, a hundred thousand,
# and a million, each with ten tags, on SQLite and on PostgreSQL.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

growth_sizes=(1000 100000 1000000) growth_tags=10 growth_seconds=1 growth_images=60
declare -A growth_figures=()
growth_paths=()

# growth - prints milliseconds per request for each size, and the last divided by the first; at most 2x is aimed at.
growth() {
  local engine size
  need go:golang-go jq:jq wrk:wrk
  client=${client:-$work/client}
  [[ -x $client ]] || (cd "$here/client" && GO111MODULE=off CGO_ENABLED=0 go build -o "$client" .)
  servers=(grown)
  ports_choose
  certificates_make
  for engine in "${growth_engines[@]}"; do
    growth_figures=() growth_paths=()
    for size in "${growth_sizes[@]}"; do growth_of "$engine" "$size"; done
    growth_table "$engine"
  done
}

# growth_of ENGINE REPOSITORIES - fills a registry, starts a server on it, and measures.
growth_of() {
  local data=$work/grown before
  rm -rf "$data"
  growth_environment=("PORTCULLIS_DATA=$data" "PORTCULLIS_TLS_CERTIFICATE=$work/tls.pem" "PORTCULLIS_TLS_PRIVATE_KEY=$work/tls.key")
  if [[ $1 == postgresql ]]; then
    [[ -n $postgres_pid ]] || postgres_start "$work/server"
    postgres_database grown
    growth_environment+=("PORTCULLIS_DATABASE_URL=$database_url")
  fi
  env "${growth_environment[@]}" "$binary" init --host localhost --admin bench --admin-password-stdin <<<"$password" >/dev/null
  "growth_fill_$1" "$2"
  before=$EPOCHREALTIME
  env "${growth_environment[@]}" "$binary" serve --listen "127.0.0.1:${port[grown]}" --host localhost >"$work/grown.log" 2>&1 &
  pid[grown]=$!
  until curl --silent --insecure --fail --output /dev/null "$(url grown)/health/ready"; do
    kill -0 "${pid[grown]}" 2>/dev/null || { cat "$work/grown.log" >&2 && exit 1; }
  done
  growth_record 'start-up' "$2" "$(since "$before")"
  growth_requests "$2"
  server_stop grown
}

growth_record() {
  [[ -n ${growth_figures[$1/${growth_sizes[0]}]:-} ]] || growth_paths+=("$1")
  growth_figures[$1/$2]=$3
}

# growth_requests REPOSITORIES
growth_requests() {
  local seconds first=/v2/grown/app
  "$client" push -url "$(url grown)" -header "$(basic bench)" -count 1 -seed 1 -repository grown/app >/dev/null
  read -r seconds _ < <("$client" push -url "$(url grown)" -header "$(basic bench)" -count "$growth_images" -seed 2 -repository grown/app)
  growth_record 'push of an image' "$1" "$(awk -v s="$seconds" -v n="$growth_images" 'BEGIN { print 1000 * s / n }')"
  env "${growth_environment[@]}" "$binary" quota set --on 'limited/**' 1GiB >/dev/null
  "$client" push -url "$(url grown)" -header "$(basic bench)" -count 1 -seed 3 -repository limited/app >/dev/null
  read -r seconds _ < <("$client" push -url "$(url grown)" -header "$(basic bench)" -count "$growth_images" -seed 4 -repository limited/app)
  growth_record 'push of an image under a quota' "$1" "$(awk -v s="$seconds" -v n="$growth_images" 'BEGIN { print 1000 * s / n }')"
  read -r seconds _ < <("$client" pull -url "$(url grown)" -header "$(basic bench)" -count "$growth_images" -seed 2 -repository grown/app)
  growth_record 'pull of an image' "$1" "$(awk -v s="$seconds" -v n="$growth_images" 'BEGIN { print 1000 * s / n }')"
  growth_get 'manifest by tag' "$1" "$first/manifests/i1-0"
  growth_get 'page of 100 tags' "$1" "$first/tags/list?n=100&last=t0"
  growth_get 'page of 100 repositories' "$1" '/v2/_catalog?n=100&last=grown/r'
  growth_get 'page of 100 referrers' "$1" "$first/referrers/sha256:$(printf '%064d' 0)?n=100"
  growth_record 'delete of a tag' "$1" "$(growth_deletes "$(url grown)" "$(basic bench)" "$growth_images")"
  growth_command 'repo show' "$1" repo show grown/app
  growth_command 'usage of a namespace' "$1" usage 'limited/**'
  growth_command 'quota set on a namespace' "$1" quota set --on 'limited/*' 1GiB
}

# growth_get TITLE REPOSITORIES PATH - mean over a while of one connection.
growth_get() {
  wrk --threads 1 --connections 1 --duration "${growth_seconds}s" --header "$(basic bench)" "$(url grown)$3" >"$work/wrk"
  if grep -q 'Non-2xx' "$work/wrk"; then
    echo "bench: the server refused $3" >&2
    exit 1
  fi
  growth_record "$1" "$2" "$(awk '/^Requests\/sec:/ { print 1000 / $2 }' "$work/wrk")"
}

growth_command() {
  local before=$EPOCHREALTIME
  env "${growth_environment[@]}" "$binary" "${@:3}" >/dev/null
  growth_record "command: $1" "$2" "$(since "$before")"
}

# growth_deletes URL HEADER COUNT - milliseconds for each of the tags of the pushed images.
growth_deletes() {
  python3 - "$@" <<'PYTHON'
import http.client, ssl, sys, time

address, (name, value), count = sys.argv[1].removeprefix("https://"), sys.argv[2].split(": "), int(sys.argv[3])
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection(address, context=context)
began = time.monotonic()
for number in range(count):
    connection.request("DELETE", f"/v2/grown/app/manifests/i2-{number}", headers={name: value})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 202:
        sys.exit(f"the answer was {answer.status}")
print(1000 * (time.monotonic() - began) / count)
PYTHON
}

# growth_fill_ENGINE REPOSITORIES - rows as pushes would leave them: in each repository a manifest with a layer of its own and one that all
# share, and ten tags; one repository has a hundredth of all tags, and referrers.
growth_fill_sqlite() {
  python3 - "$work/grown/portcullis.db" "$(growth_rows "$1" "printf('%064x', n)" 'WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < %s)' n "x'7b7d'")" <<'PYTHON'
import sqlite3, sys

with sqlite3.connect(sys.argv[1]) as db:
    db.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA foreign_keys = OFF; BEGIN;" + sys.argv[2] + "COMMIT;")
PYTHON
}

growth_fill_postgresql() {
  {
    echo 'SET session_replication_role = replica; SET synchronous_commit = off;'
    growth_rows "$1" "lpad(to_hex(n), 64, '0')" 'WITH n(n) AS (SELECT generate_series(1, %s))' n "'{}'"
    echo "SELECT setval(pg_get_serial_sequence('repositories', 'id'), $1 + 10), setval(pg_get_serial_sequence('blobs', 'id'), $1 + 10),
      setval(pg_get_serial_sequence('manifests', 'id'), $1 + $1 / 100 + 10);"
    echo 'VACUUM ANALYZE;'
  } | psql --quiet --no-psqlrc --host "$postgres_folder" --username postgres --set ON_ERROR_STOP=1 grown >/dev/null
}

# growth_rows REPOSITORIES HEXADECIMAL SERIES N CONTENT
growth_rows() {
  local repositories=$1 digest="'sha256:' || $2" n=$4 content=$5 large=$(($1 / 100))
  # shellcheck disable=SC2059 # the series is a format
  series() { printf "$series_form" "$1"; }
  local series_form=$3 type=application/vnd.oci.image.manifest.v1+json
  cat <<SQL
$(series "$repositories") INSERT INTO repositories (id, name, created_at, generation)
  SELECT $n, CASE $n WHEN 1 THEN 'grown/app' ELSE 'grown/r' || $n END, 0, 1 FROM n;
$(series "$repositories") INSERT INTO blobs (id, digest, size, key, lease_until, created_at)
  SELECT $n, $digest, 1000, 'k' || $n, 0, 0 FROM n;
$(series "$repositories") INSERT INTO repository_blobs (repository_id, blob_id, repository_name)
  SELECT $n, $n, CASE $n WHEN 1 THEN 'grown/app' ELSE 'grown/r' || $n END FROM n;
$(series "$((repositories - 1))") INSERT INTO repository_blobs (repository_id, blob_id, repository_name) SELECT $n + 1, 1, 'grown/r' || ($n + 1) FROM n;
$(series "$repositories") INSERT INTO manifests (id, repository_id, digest, media_type, size, created_at, content)
  SELECT $n, $n, 'sha512:' || $2 || $2, '$type', 2, 0, $content FROM n;
$(series "$large") INSERT INTO manifests (id, repository_id, digest, media_type, size, subject, artifact_type, created_at, content)
  SELECT $repositories + $n, 1, $digest, '$type', 2, 'sha256:$(printf '%064d' 0)', 'application/x', 0, $content FROM n;
$(series "$repositories") INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id) SELECT $n, $n, $n FROM n;
$(series "$((repositories - 1))") INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id) SELECT $n + 1, 1, $n + 1 FROM n;
$(series "$repositories") INSERT INTO tags (repository_id, name, manifest_id, updated_at)
  SELECT $n, 't' || t.column1, $n, 0 FROM n CROSS JOIN (VALUES $(growth_values)) AS t;
$(series "$((large * growth_tags))") INSERT INTO tags (repository_id, name, manifest_id, updated_at) SELECT 1, 't0-' || $n, 1, 0 FROM n;
SQL
}

growth_values() {
  local number
  for ((number = 0; number < growth_tags; number++)); do printf '%s(%s)' "$( ((number == 0)) || echo ', ')" "$((number + 1))"; done
}

# growth_table ENGINE
growth_table() {
  local path size first last
  printf '\n%-34s' "$1: ms, repositories:"
  for size in "${growth_sizes[@]}"; do printf ' %12s' "$size"; done
  printf ' %9s\n' ratio
  for path in "${growth_paths[@]}"; do
    printf '%-34s' "$path"
    for size in "${growth_sizes[@]}"; do printf ' %12.2f' "${growth_figures[$path/$size]}"; done
    first=${growth_figures[$path/${growth_sizes[0]}]} last=${growth_figures[$path/${growth_sizes[-1]}]}
    growth_outcome "$path" "$first" "$last"
  done
}

# growth_outcome PATH FIRST LAST - twice as long, or a second for the start, is too much.
growth_outcome() {
  local outcome=meets bound='< 2x'
  if [[ $1 == start-up ]]; then
    bound='< 1 s'
    awk -v b="$3" 'BEGIN { exit !(b < 1000) }' || outcome=MISSES
  else
    awk -v a="$2" -v b="$3" 'BEGIN { exit !(b < 2 * a) }' || outcome=MISSES
  fi
  [[ $outcome == meets ]] || missed=$((missed + 1))
  awk -v a="$2" -v b="$3" -v outcome="$outcome" -v bound="$bound" 'BEGIN { printf " %8.2fx   %-7s %s\n", b / a, outcome, bound }'
}
