# Sourced. Walk 2: what every docker user knows, with a docker daemon on the registry's own machine.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

walk2() {
  walk="walk 2"
  have dockerd "docker on the same machine" && have docker "docker on the same machine" || return 0
  host_start same
  check "serve" server_start same
  check "dockerd starts" docker_start same --bridge=none --iptables=false
  the_docker_walk same localhost:5000 admin "$(first_password same)"
  the_catalog_walk same admin "$(first_password same)"
  check "curl http:// gets told to use https" plain_http_is_answered same
  check "curl http:// with a password is told that it was sent unencrypted" plain_http_password_is_answered same
  hosts_stop
}

plain_http_is_answered() {
  on "$1" curl --silent --include http://localhost:5000/v2/_catalog | tee "$work/$1/plain"
  has '^HTTP/1.[01] (30[1278]|400)' "$work/$1/plain"
  has 'https://localhost:5000' "$work/$1/plain"
}

plain_http_password_is_answered() {
  on "$1" curl --silent --include --user admin:secret http://localhost:5000/v2/_catalog | tee "$work/$1/plain"
  has '^HTTP/1.[01] 400' "$work/$1/plain"
  has 'https' "$work/$1/plain"
  has 'unencrypted|clear' "$work/$1/plain"
}
