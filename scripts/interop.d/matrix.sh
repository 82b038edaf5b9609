# Sourced. The client matrix: what each client does with the registry, by name, over a network and TLS, as a user who owns
# no more than a namespace. A capability of a client is a function CAPABILITY_with_CLIENT in clients/; where there is none,
# the client cannot. Ends with a table.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

matrix_clients=(docker_classic docker_modern podman buildah skopeo ctr ctr_modern crane oras regctl cosign helm)
matrix_capabilities=(trust login push pull index mount delete artifact large exchange basic)

# What a client cannot although its functions would allow it: helm bounds charts to far less than 200 MiB.
matrix_cannot=' helm/large helm/exchange '
matrix_user=alice
matrix_password=alices-own-password
large_bytes=$((200 * 1024 * 1024))

# CLIENT/CAPABILITY -> ok, FAIL or -; CLIENT -> its name and version, once it is on its host.
declare -A cells=() labels=()

matrix() {
  local host
  walk=matrix
  matrix_choose
  host_start hub
  host_start desk
  host_start modern
  hosts_link hub 10.213.8.1/30 desk 10.213.8.2/30 eth0
  hosts_link hub 10.213.9.1/30 modern 10.213.9.2/30 eth1
  echo '10.213.8.1 registry.test' >>"$work/desk/etc/hosts"
  echo '10.213.9.1 registry.test' >>"$work/modern/etc/hosts"
  check "serve --host registry.test" server_start hub --host registry.test
  check "user add $matrix_user" user_add hub "$matrix_user" "$matrix_password"
  matrix_install
  for host in desk modern; do
    # So that what somebody put into the machine's store by hand is not taken for something that `untrust` left.
    on "$host" update-ca-certificates >/dev/null 2>&1 || true
    host_state "$host" >"$work/$host/before"
  done
  matrix_strangers "before trust"
  for host in desk modern; do check "portcullis trust $registry_name --ca-sha256 ... --system on $host" matrix_trust "$host"; done
  matrix_cells login push pull index mount delete artifact large
  matrix_cells exchange
  check "the server answered nothing with 5xx, and warned of nothing" matrix_log_is_clean
  check "serve with auth.challenge = \"basic\"" matrix_challenges_basic
  matrix_cells basic
  check "the server answered nothing with 5xx, and warned of nothing" matrix_log_is_clean
  for host in desk modern; do check "portcullis untrust $registry_name on $host" on "$host" portcullis untrust "$registry_name"; done
  matrix_strangers "after untrust"
  for host in desk modern; do check "untrust left nothing behind on $host" host_state_is "$host" "$work/$host/before"; done
  hosts_stop
  matrix_table
  [[ -z $markdown_file ]] || matrix_markdown >"$markdown_file"
}

# The clients that were named on the command line, else all.
matrix_choose() {
  local known=" ${matrix_clients[*]} " client
  [[ -n $chosen_clients ]] || return 0
  IFS=, read -ra matrix_clients <<<"$chosen_clients"
  for client in "${matrix_clients[@]}"; do
    [[ $known == *" $client "* ]] || {
      echo "interop: no client is called $client; there are$known" >&2
      exit 2
    }
  done
}

# The name of a repository that a client pushes to.
repository() { printf '%s/%s/%s\n' "$registry_name" "$matrix_user" "${1//_/-}${2:-}"; }

host_of() { case $1 in docker_modern | ctr_modern) echo modern ;; *) echo desk ;; esac }

# by CLIENT COMMAND... - runs a command as the client's own person, so that no client sees another's login.
by() {
  local client=$1 host
  shift
  host=$(host_of "$client")
  mkdir -p "$work/$host/home-$client"
  # podman and buildah insist on a file that is named to them.
  [[ -e $work/$host/home-$client/auth.json ]] || echo '{}' >"$work/$host/home-$client/auth.json"
  as "$host" "$client" env REGISTRY_AUTH_FILE="$work/$host/home-$client/auth.json" "$@"
}

# The operating system's store, too, where crane, oras, cosign and helm look.
matrix_trust() {
  server_install "$1"
  on "$1" portcullis trust "$registry_name" --system --ca-sha256 "$(on hub portcullis ca show --json | jq -r .sha256)"
}

# matrix_strangers WHEN - every client refuses the certificate, and says so.
matrix_strangers() {
  local client before
  for client in "${matrix_clients[@]}"; do
    [[ ${labels[$client]:-} != '' ]] || continue
    before=$failed
    check "${labels[$client]}: x509 failure $1" refuses_certificate "$client"
    if ((failed > before)); then cells[$client/trust]=FAIL; else : "${cells[$client/trust]:=ok}"; fi
  done
}

refuses_certificate() {
  local status
  set +e
  (
    set -e
    "pull_with_$1" "$(repository "$1"):$image_tag"
  ) >"$work/matrix-said" 2>&1
  status=$?
  set -e
  cat "$work/matrix-said"
  ((status != 0))
  has 'x509: certificate signed by unknown authority' "$work/matrix-said"
}

# host_state HOST - every file and directory where trust in a registry may lie, with its mode and content.
host_state() {
  on "$1" sh -c 'find /etc /usr/local/share/ca-certificates /var/lib/portcullis-trust -printf "%p %M %l\n" 2>/dev/null | sort
    find /etc /usr/local/share/ca-certificates -type f -exec sha256sum {} + | sort -k 2'
}

host_state_is() { host_state "$1" | diff "$2" -; }

matrix_log_is_clean() {
  jq -R 'fromjson?' "$work/hub/log/portcullis" | jq -s -e 'map(select(.level != "INFO" or (.status // 0) >= 500)) | .[], length == 0'
}

matrix_challenges_basic() {
  daemon_stop hub portcullis
  install -d -m 755 "$work/hub/etc/portcullis"
  printf '[auth]\nchallenge = "basic"\n' >"$work/hub/etc/portcullis/portcullis.toml"
  server_start hub
  on hub curl --silent --include --cacert "$(ca_file hub)" https://localhost:5000/v2/ >"$work/hub/challenge"
  has '^HTTP/[0-9.]+ 401' "$work/hub/challenge"
  has '^[Ww][Ww][Ww]-[Aa]uthenticate: Basic realm="' "$work/hub/challenge"
}

# matrix_cells CAPABILITY... - of every client that is installed.
matrix_cells() {
  local client capability
  for client in "${matrix_clients[@]}"; do
    for capability in "$@"; do
      [[ ${labels[$client]:-} == '' ]] || cell "$client" "$capability"
    done
    # Where disks are small, images of 200 MiB in twelve stores are too much.
    rm -rf "$work/matrix/$client/large"
  done
}

cell() {
  local client=$1 capability=$2 before=$failed
  if can "$client" "$capability"; then
    check "${labels[$client]}: $(capability_name "$capability")" "try_$capability" "$client"
    if ((failed == before)); then cells[$client/$capability]=ok; else cells[$client/$capability]=FAIL; fi
  else
    cells[$client/$capability]=-
  fi
}

# can CLIENT CAPABILITY - whether there are the functions for it.
can() {
  [[ $matrix_cannot != *" $1/$2 "* ]] || return 1
  case $2 in
    large) declare -F "push_with_$1" >/dev/null && declare -F "pull_with_$1" >/dev/null ;;
    exchange | basic) declare -F "pull_with_$1" >/dev/null ;;
    *) declare -F "$2_with_$1" >/dev/null ;;
  esac
}

capability_name() {
  case $1 in
    trust) echo "x509 error, \`trust\`, works, \`untrust\`, x509 error" ;;
    index) echo "multi-platform index" ;;
    artifact) echo "artifact with referrer" ;;
    large) echo "200 MiB, there and back" ;;
    exchange) echo "pulls what the others pushed" ;;
    basic) echo "basic challenge" ;;
    *) echo "$1" ;;
  esac
}

matrix_table() {
  local client capability name width=6
  for client in "${matrix_clients[@]}"; do
    name=${labels[$client]:-}
    ((${#name} <= width)) || width=${#name}
  done
  printf "\n%-${width}s" client
  printf ' %-8s' "${matrix_capabilities[@]}"
  for client in "${matrix_clients[@]}"; do
    [[ -n ${labels[$client]:-} ]] || continue
    printf "\n%-${width}s" "${labels[$client]}"
    for capability in "${matrix_capabilities[@]}"; do printf ' %-8s' "${cells[$client/$capability]}"; done
  done
  printf '\n\n'
}

matrix_markdown() {
  local client capability
  printf '| client |'
  for capability in "${matrix_capabilities[@]}"; do printf ' %s |' "$(capability_name "$capability")"; done
  printf '\n|---|'
  printf '%.0s---|' "${matrix_capabilities[@]}"
  printf '\n'
  for client in "${matrix_clients[@]}"; do
    [[ -n ${labels[$client]:-} ]] || continue
    printf '| %s |' "${labels[$client]}"
    for capability in "${matrix_capabilities[@]}"; do printf ' %s |' "${cells[$client/$capability]}"; done
    printf '\n'
  done
}
