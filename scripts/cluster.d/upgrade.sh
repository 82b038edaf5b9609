# Sourced. A rolling upgrade from an older version to this one, and back, node by node and under load.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

bound_upgrade() {
  local older node
  older=$(older_binary "${argument:-}") || return 1
  printf '  from %s to %s and back\n' "$older" "$binary"
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

# older_binary [COMMIT|FILE] - prints the path of an older binary: this file, or a build of a commit, by default of the oldest
# one that this tree's nodes can run next to. The build shares the libraries with development builds of this tree, and is kept.
older_binary() {
  local commit target=${CARGO_TARGET_DIR:-$root/target} kept=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/portcullis-cluster
  if [[ -n ${1:-} && -x $1 ]]; then
    realpath "$1"
    return
  fi
  commit=$(git -C "$root" rev-parse --verify --quiet "${1:-$(oldest_commit)}^{commit}") || {
    echo "cluster: unknown commit: ${1:-HEAD^} (the upgrade needs the history of this tree)" >&2
    return 1
  }
  if [[ ! -x $kept/$commit ]]; then
    mkdir -p "$kept"
    git -C "$root" archive --prefix=older/ "$commit" | tar -x -C "$work"
    (cd "$work/older" && CARGO_TARGET_DIR=$target cargo build --locked --quiet >&2) || return 1
    cp "$target/debug/portcullis" "$kept/$commit"
    # This tree's own again.
    (cd "$root" && cargo build --locked --quiet >&2) || return 1
  fi
  printf '%s\n' "$kept/$commit"
}

# The first commit whose nodes share everything, or the one before this where the history does not go so far.
oldest_commit() { git -C "$root" rev-parse --verify --quiet "39974986c857458ea4d6ae13875ff4b2b663b7a7^{commit}" || printf 'HEAD^\n'; }

