# Sourced. kill -9 of a random node every five seconds under pushes and pulls.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

bound_kills() {
  local seconds=${argument:-$(quickly 600 120)} kills=0 load node began=$SECONDS
  load_begin patient
  while ((SECONDS - began < seconds)); do
    sleep 5
    node=$(random_node)
    stop "$node" KILL
    node_start "$node"
    kills=$((kills + 1))
  done
  for node in "${nodes[@]}"; do within 60 ready "$node" || return 1; done
  printf '  %s kills in %s s\n' "$kills" $((SECONDS - began))
  load_end
}

# load_begin patient|strict - pushes and pulls in the background, until load_end.
load_begin() {
  rm -f "$work/load-ends"
  client load "$work/load-ends" "$1" >"$work/load" 2>&1 &
  pid[load]=$!
}

# load_end - prints what became of them; fails when a request was lost.
load_end() {
  local status=0
  : >"$work/load-ends"
  wait "${pid[load]}" || status=$?
  unset "pid[load]"
  cat "$work/load"
  return "$status"
}
