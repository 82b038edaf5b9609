# Sourced. What the nodes use goes away and comes back, and the clock of a node is wrong.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

bound_failures() {
  client seed
  database_away
  bucket_away
  clock_wrong
}

# median_of FILE KEY - a number of an answer of `client ask`, as an integer of microseconds.
thousandths() { jq -r "(.$2 * 1000) | floor" "$1"; }

# share FILE OUTCOME - how many of the requests ended so.
share() { jq -r ".outcomes[\"$2\"] // 0" "$1"; }

# While the database is away everything ends soon, with 503 where it cannot be answered; afterwards every node answers within 5 s.
database_away() {
  local away took down
  away=$(quickly 20 8)
  stop postgres INT
  client ask push "$away" >"$work/away"
  down=$(($(jq .asked "$work/away") - $(share "$work/away" 503)))
  figure "database away for $away s: $(jq -c .outcomes "$work/away"), the longest answer took $(thousandths "$work/away" longest) us" \
    "down == 0 && $(thousandths "$work/away" longest) < 15000000"
  postgres_start
  took=$(client until push 60) || took=999999
  figure "the database is back: every node accepts pushes after $took ms (5000)" "took <= 5000"
}

# While the store of the blobs is away manifests are served as before, and blobs are refused with 503.
bucket_away() {
  local away before during took wrong
  away=$(quickly 60 10)
  client ask manifest 5 >"$work/before"
  kill -STOP "${pid[s3]}"
  client ask blob "$((away / 2))" >"$work/blobs" &
  client ask manifest "$((away / 2))" >"$work/during"
  wait $!
  stop s3 KILL
  client ask blob "$((away / 2))" >"$work/refused"
  before=$(thousandths "$work/before" p99) during=$(thousandths "$work/during" p99)
  # A few milliseconds are the noise of a machine that does everything else, too.
  figure "S3 hangs: p99 of manifests $before us before, $during us meanwhile; $(jq -c .outcomes "$work/during")" \
    "during <= before * 2 + 10000 && $(share "$work/during" ok) == $(jq .asked "$work/during")"
  figure "S3 hangs: blobs $(jq -c .outcomes "$work/blobs"), the longest answer took $(thousandths "$work/blobs" longest) us" \
    "$(share "$work/blobs" 503) == $(jq .asked "$work/blobs") && $(thousandths "$work/blobs" longest) < 35000000"
  wrong=$(($(jq .asked "$work/refused") - $(share "$work/refused" 503)))
  figure "S3 away: blobs $(jq -c .outcomes "$work/refused"), the longest answer took $(thousandths "$work/refused" longest) us" \
    "wrong == 0 && $(thousandths "$work/refused" longest) < 10000000"
  bucket_start
  took=$(client until push 60) || took=999999
  figure "S3 is back: every node accepts pushes after $took ms (5000)" "took <= 5000"
}

# A node whose clock is five minutes fast, then slow: its tokens are accepted elsewhere, and those of others by it. A clock can only be
# set for a program that is linked dynamically, so this node runs a development build of this tree.
clock_wrong() {
  local offset took library
  need faketime:faketime
  library=$(printf '%s\n' /usr/lib/*/faketime/libfaketimeMT.so.1 | head -n 1)
  binaries[node3]=$(development_binary) || return 1
  for offset in +300 -300; do
    stop node3
    node_prefix=(env "LD_PRELOAD=$library" "FAKETIME=${offset}s" FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1)
    node_start node3
    node_prefix=()
    within 60 ready node3 || { tail -n 3 "$work/node3.log" && return 1; }
    # What the node gave back when it was stopped is taken by others first.
    within 30 leases_held || return 1
    leases_of >"$work/leases-before"
    took=$(client until push 30) || took=999999
    figure "the clock of node3 is $offset s off: pushes and tokens work on every node after $took ms" "took < 10000"
    client ask push 3 >"$work/skewed"
    figure "... $(jq -c .outcomes "$work/skewed")" "$(share "$work/skewed" ok) == $(jq .asked "$work/skewed")"
    client uploads 20 || missed=$((missed + 1))
    leases_of >"$work/leases-after"
    figure "... the holders of leases are the same: $(tr '\n' ' ' <"$work/leases-after")" "$(cmp -s "$work/leases-before" "$work/leases-after" && echo 1 || echo 0)"
  done
  unset "binaries[node3]"
  stop node3
  node_start node3
  within 60 ready node3
}

# Name and holder of each lease.
leases_of() { psql_run portcullis 'SELECT name, holder FROM leases ORDER BY name' 2>/dev/null || true; }

leases_held() { [[ -n $(leases_of) ]] && ! leases_of | grep -q '|$'; }

development_binary() {
  (cd "$root" && cargo build --locked --quiet >&2) || return 1
  printf '%s/debug/portcullis\n' "${CARGO_TARGET_DIR:-$root/target}"
}
