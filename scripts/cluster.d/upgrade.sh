# Sourced. A rolling upgrade from an older version to this one, and back, node by node and under load.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

bound_upgrade() {
  local older node
  older=$(older_binary "${argument:-}") || return 1
  printf '  from %s to %s and back\n' "$(version_of "$older")" "$(version_of "$binary")"
  cluster_stop
  for node in "${nodes[@]}"; do binaries["$node"]=$older; done
  cluster_start
  client seed
  load_begin strict
  sleep 3
  for node in "${nodes[@]}"; do replace "$node" "$binary"; done
  sleep 3
  for node in "${nodes[@]}"; do replace "$node" "$older"; done
  sleep 3
  load_end || missed=$((missed + 1))
  for node in "${nodes[@]}"; do
    replace "$node" "$binary"
    unset "binaries[$node]"
  done
}

# replace NODE BINARY - drains a node and starts it again with another binary, as a rolling upgrade does.
replace() {
  stop "$1"
  binaries[$1]=$2
  node_start "$1"
  within 60 ready "$1" || { printf '  %s did not start:\n' "$1" && tail -n 3 "$work/$1.log" && missed=$((missed + 1)); }
  # The balancer's next check.
  sleep 1
}

# older_binary [COMMIT] - prints the path of a build of an older commit: by default of the last one whose schema this tree changes. It is
# built in a worktree of its own and kept, so that only the first run of a machine builds the libraries.
older_binary() {
  local commit kept=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/portcullis-cluster
  commit=$(git -C "$root" rev-parse --verify --quiet "${1:-$(schema_before)}^{commit}") || {
    echo "cluster: unknown commit: ${1:-of an older schema} (the upgrade needs the history of this tree)" >&2
    return 1
  }
  if [[ ! -x $kept/$commit/portcullis ]]; then
    mkdir -p "$kept/$commit"
    git -C "$root" archive "$commit" | tar -x -C "$work" --one-top-level=older
    (cd "$work/older" && CARGO_TARGET_DIR=$kept/target cargo build --locked --quiet >&2) || return 1
    cp "$kept/target/debug/portcullis" "$kept/$commit/portcullis"
  fi
  printf '%s\n' "$kept/$commit/portcullis"
}

# The commit before the one that brought the newest migration.
schema_before() { git -C "$root" log -1 --diff-filter=A --format=%H^ -- src/storage/metadata/postgres/migrations; }

version_of() { "$1" version | head -n 1; }
