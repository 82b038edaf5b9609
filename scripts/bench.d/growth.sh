# Sourced. How cost grows: the same page of a hundred entries out of a hundred, and out of very many.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# How many entries the large registry has.
growth_tags=100000 growth_repositories=100000 growth_referrers=10000

# growth - prints milliseconds per request and their ratio, for tags, repositories and referrers; at most 2x is aimed at.
growth() {
  local size
  for size in small large; do growth_start "$size"; done
  printf '%-34s %12s %16s %9s   %s\n' 'page of 100, ms per request' 'out of 100' 'out of many' ratio target
  growth_line "tags, of $growth_tags" '/v2/grown/app/tags/list?n=100&last=t0'
  growth_line "repositories, of $growth_repositories" '/v2/_catalog?n=100&last=grown/app'
  growth_line "referrers, of $growth_referrers" "/v2/grown/app/referrers/sha256:$(printf '%064d' 0)?n=100"
  echo
  for size in small large; do
    kill "${pid[$size]}"
    wait "${pid[$size]}" || true
    unset "pid[$size]"
  done
}

# growth_start SIZE - a registry with synthetic rows, and a server on it.
growth_start() {
  local data=$work/growth-$1
  printf 'a-password-of-some-length' | "$binary" --data "$data" init --host localhost --admin-password-stdin >/dev/null
  if [[ $1 == small ]]; then
    fill_rows "$data/portcullis.db" 100 100 100
  else
    fill_rows "$data/portcullis.db" "$growth_tags" "$growth_repositories" "$growth_referrers"
  fi
  "$binary" --data "$data" serve --listen 127.0.0.1:0 >"$work/growth-$1.log" 2>&1 &
  pid[$1]=$!
  for _ in $(seq 100); do
    growth_port[$1]=$(grep -Eo '"address":"127.0.0.1:[0-9]+"' "$work/growth-$1.log" | grep -Eo '[0-9]+"$' | tr -d '"' || true)
    [[ -n ${growth_port[$1]} ]] && return
    sleep 0.1
  done
  echo "bench: the server with many rows did not start" >&2
  tail -n 3 "$work/growth-$1.log" >&2
  exit 1
}

declare -A growth_port=()

fill_rows() {
  python3 - "$@" <<'PYTHON'
import sqlite3, sys

path, tags, repositories, referrers = sys.argv[1], *map(int, sys.argv[2:])
with sqlite3.connect(path) as db:
    db.execute("INSERT INTO repositories (name, created_at) VALUES ('grown/app', 0)")
    (app,) = db.execute("SELECT id FROM repositories WHERE name = 'grown/app'").fetchone()
    db.executemany("INSERT INTO repositories (name, created_at) VALUES (?, 0)", ((f"grown/r{n:07}",) for n in range(repositories)))
    kind = "application/vnd.oci.image.manifest.v1+json"
    insert = "INSERT INTO manifests (repository_id, digest, media_type, size, subject, artifact_type, created_at, content) VALUES (?, ?, ?, 2, ?, ?, 0, x'7b7d')"
    db.executemany(insert, ((app, f"sha256:{n + 1:064x}", kind, f"sha256:{0:064}", "application/x") for n in range(referrers)))
    (manifest,) = db.execute("SELECT MIN(id) FROM manifests").fetchone()
    db.executemany("INSERT INTO tags (repository_id, name, manifest_id, updated_at) VALUES (?, ?, ?, 0)", ((app, f"t{n:07}", manifest) for n in range(tags)))
PYTHON
}

# growth_line TITLE PATH
growth_line() {
  local small large
  small=$(growth_milliseconds small "$2")
  large=$(growth_milliseconds large "$2")
  line "$1" "$small" "$large"
}

# growth_milliseconds SIZE PATH - mean over a few seconds of one connection.
growth_milliseconds() {
  wrk --threads 1 --connections 1 --duration 3s --header "$(basic_of admin a-password-of-some-length)" \
    "https://localhost:${growth_port[$1]}$2" >"$work/wrk"
  if grep -q 'Non-2xx' "$work/wrk"; then
    echo "bench: the server refused $2" >&2
    exit 1
  fi
  awk '/^Requests\/sec:/ { print 1000 / $2 }' "$work/wrk"
}

basic_of() { printf 'Authorization: Basic %s' "$(printf '%s:%s' "$1" "$2" | base64 -w 0)"; }

# line TITLE SMALL LARGE - the large one may take twice as long.
line() {
  local outcome=meets
  awk -v a="$2" -v b="$3" 'BEGIN { exit !(b <= 2 * a) }' || {
    outcome=MISSES
    missed=$((missed + 1))
  }
  awk -v title="$1" -v a="$2" -v b="$3" -v outcome="$outcome" 'BEGIN {
    printf "%-34s %12.2f %16.2f %8.2fx   %-7s %s\n", title, a, b, b / a, "<= 2x", outcome }'
}
