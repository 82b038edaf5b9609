# Sourced. A rolling upgrade from an older version to this one, and back, node by node and under load.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

bound_upgrade() {
  local older node
  older=$(older_binary "${argument:-}") || return 1
  printf '  from %s to %s and back\n' "$(version_of "$older")" "$(version_of "$binary")"
  cluster_stop
  for node in "${nodes[@]}"; do binaries[$node]=$older; done
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
  local began=$EPOCHREALTIME
  stop "$1"
  binaries[$1]=$2
  node_start "$1"
  within 60 ready "$1" || { printf '  %s did not start:\n' "$1" && tail -n 3 "$work/$1.log" && missed=$((missed + 1)); }
  # The balancer's next check.
  sleep 1
}

version_of() { "$1" version | head -n 1; }
