# Sourced. The nodes: equal to each other but for their port and their directory.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

nodes=(node1 node2 node3)
administrator="admin"

cluster_start() {
  local node
  rm -rf "$work"/{postgres,pgbouncer,bucket,node?}
  ports_choose postgres pgbouncer s3 balancer "${nodes[@]}"
  administrator_password=$(head -c 12 /dev/urandom | base64 | tr '/+' '-_')
  services_start
  head -c 32 /dev/urandom >"$work/key"
  chmod 600 "$work/key"
  for node in "${nodes[@]}"; do node_configure "$node"; done
  portcullis node1 init --admin "$administrator" --admin-password-stdin <<<"$administrator_password" >/dev/null
  for node in "${nodes[@]}"; do node_start "$node"; done
  for node in "${nodes[@]}"; do started "$node" 30 ready "$node"; done
  portcullis node1 ca export >"$work/ca.pem"
  balancer_start
}

# node_configure NODE - writes its configuration file.
node_configure() {
  cat >"$work/$1.toml" <<TOML
data_dir = "$work/$1"
[server]
listen = "127.0.0.1:${port[$1]}"
hosts = ["localhost"]
trusted_proxies = ["127.0.0.2"]
proxy_protocol = true
drain_timeout = "20s"
# The balancer notices within a second.
drain_delay = "2s"
[auth]
# The clients of all bounds come from one address, and ask for users that are disabled.
failures_per_address = 0
failures_per_account = 0
[database]
url = "postgres://portcullis@127.0.0.1:${port[pgbouncer]}/portcullis"
password_file = "$work/database-password"
pooler = true
[blobs]
store = "s3"
[blobs.s3]
endpoint = "http://127.0.0.1:${port[s3]}"
bucket = "$bucket"
access_key_file = "$work/s3-access-key"
secret_key_file = "$work/s3-secret-key"
[secrets]
key_file = "$work/key"
TOML
}

# portcullis NODE ARGUMENTS... - a command on a node.
portcullis() {
  local node=$1
  shift
  "$(binary_of "$node")" --config "$work/$node.toml" "$@"
}

# Which binary a node runs, where it is not the one that is tested.
declare -A binaries=()
binary_of() { printf '%s\n' "${binaries[$1]:-$binary}"; }

node_start() { start "$1" ${node_prefix[@]+"${node_prefix[@]}"} "$(binary_of "$1")" --config "$work/$1.toml" serve; }

# ready NODE|balancer
ready() { curl --silent --fail --insecure --max-time 2 --output /dev/null "https://localhost:${port[$1]}/health/ready"; }

# random_node - the name of one.
random_node() { printf '%s\n' "${nodes[RANDOM % ${#nodes[@]}]}"; }

cluster_greeting() {
  local node
  printf 'A cluster of %s nodes serves https://localhost:%s\n' "${#nodes[@]}" "${port[balancer]}"
  printf '  administrator  %s, password  %s\n' "$administrator" "$administrator_password"
  printf '  this machine   docker login localhost:%s -u %s\n' "${port[balancer]}" "$administrator"
  printf '  other clients  %s\n' "$(portcullis node1 ca trust-command "localhost:${port[balancer]}")"
  for node in "${nodes[@]}"; do
    printf '  %-13s  https://localhost:%s, %s --config %s\n' "$node" "${port[$node]}" "$binary" "$work/$node.toml"
  done
  printf '  PostgreSQL     127.0.0.1:%s, through PgBouncer 127.0.0.1:%s; S3 http://127.0.0.1:%s/%s\n' \
    "${port[postgres]}" "${port[pgbouncer]}" "${port[s3]}" "$bucket"
  printf '  logs           %s/*.log\n' "$work"
  printf 'Ctrl-C stops it and removes its data.\n'
}
