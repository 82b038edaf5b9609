# Sourced. The bounds: what each prints, and whether it was kept.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

client_make() {
  need go:golang-go
  client=$work/client
  (cd "$here/client" && GO111MODULE=off CGO_ENABLED=0 go build -o "$client" .)
}

# client COMMAND... - one of the load client's, on this cluster.
client() {
  local node urls configs
  urls=$(for node in "${nodes[@]}"; do printf '%s https://localhost:%s\n' "$node" "${port[$node]}"; done | json_object)
  configs=$(for node in "${nodes[@]}"; do printf '%s %s\n' "$node" "$work/$node.toml"; done | json_object)
  CLUSTER=$(jq -n --arg user "$administrator" --arg password "$administrator_password" --arg ca "$work/ca.pem" --arg binary "$binary" \
    --arg balancer "https://localhost:${port[balancer]}" --argjson nodes "$urls" --argjson configs "$configs" \
    '{user: $user, password: $password, ca: $ca, binary: $binary, balancer: $balancer, nodes: $nodes, configs: $configs}') "$client" "$@"
}

# json_object - of lines with a name and a value.
json_object() { jq -nR '[inputs | split(" ") | {(.[0]): .[1]}] | add'; }

# run_bounds NAME... - each prints its figures; fails, at the end, if one was missed.
run_bounds() {
  local name began failed=() status
  for name in "$@"; do
    printf '== %s\n' "$name"
    began=$SECONDS status=0
    missed=0
    "bound_$name" || status=1
    ((missed == 0)) || status=1
    printf '%s %s (%d s)\n\n' "$( ((status == 0)) && echo "  ok  " || echo "  FAIL")" "$name" $((SECONDS - began))
    ((status == 0)) || failed+=("$name")
  done
  ((${#failed[@]} == 0)) || { printf 'cluster: missed: %s; the logs end with\n' "${failed[*]}" && logs_end && return 1; }
}

# figure TEXT CONDITION - a line of a bound's, with what it was judged by; CONDITION is an arithmetic expression.
figure() {
  if (($2)); then printf '  ok    %s\n' "$1"; else
    printf '  MISS  %s\n' "$1"
    missed=$((missed + 1))
  fi
}

logs_end() {
  local node
  for node in "${nodes[@]}"; do
    printf -- '-- %s\n' "$node"
    grep -Ev '"level":"INFO"' "$work/$node.log" | tail -n 5 || true
  done
} >&2

bound_uploads() { client uploads "${argument:-$(quickly 1000 200)}"; }

bound_revoke() { client revoke "${argument:-$(quickly 100 15)}"; }
