# Sourced. The client matrix: what each client does with the registry, by name, over a network and TLS, as a user who owns
# no more than a namespace. A capability of a client is a function CAPABILITY_with_CLIENT in clients/; without one, the
# client cannot. Ends with a table of docker's engines and one of the other clients.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables
#
# Docker's engines are tried with what `trust --no-system` writes, certs.d alone, and once more with plain `trust`: a daemon
# reads the operating system's store once, when it starts, so a store that was written later shows nothing about it.

matrix_others=(podman buildah skopeo ctr ctr_modern crane oras regctl cosign helm)
matrix_clients=("${matrix_engines[@]}" "${matrix_others[@]}")
engine_capabilities=(trust login push pull build buildx builder anonymous index mount large exchange basic)
other_capabilities=(trust login push pull index mount delete artifact large exchange basic)

# What a client cannot although its functions would allow it: helm bounds charts to far less than 200 MiB, and the Debian
# release of docker 20.10 has no buildx.
matrix_cannot=' helm/large helm/exchange docker_20/buildx docker_20/builder '
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
  for host in "${matrix_hosts[@]}"; do matrix_host "$host"; done
  check "serve --host registry.test" server_start hub --host registry.test
  check "user add $matrix_user" user_add hub "$matrix_user" "$matrix_password"
  check "everyone may pull $matrix_user/*-open" on hub portcullis grant add --to anonymous --on "$matrix_user/*-open" --allow pull
  matrix_install
  for host in "${matrix_hosts[@]}"; do
    # So that what was put into the machine's store by hand is not taken for something that `untrust` left.
    on "$host" update-ca-certificates >/dev/null 2>&1 || true
    host_state "$host" >"$work/$host/before"
  done
  matrix_untrusted "before trust"
  for host in "${matrix_hosts[@]}"; do
    if is_engine "$host"; then matrix_trusts "$host" --no-system; else matrix_trusts "$host"; fi
  done
  matrix_cells login push pull build buildx builder anonymous index mount delete artifact large
  matrix_cells exchange
  for host in "${matrix_hosts[@]}"; do ! is_engine "$host" || matrix_trusts "$host"; done
  matrix_cells_again login push pull build buildx builder
  check "no answer was 5xx, and no warning was logged" matrix_log_is_clean
  check "serve with auth.challenge = \"basic\"" matrix_challenges_basic
  matrix_cells basic
  check "no answer was 5xx, and no warning was logged" matrix_log_is_clean
  for host in "${matrix_hosts[@]}"; do
    ! is_engine "$host" || engine_forgets_builder "$host"
    check "portcullis untrust $registry_name on $host" on "$host" portcullis untrust "$registry_name"
  done
  matrix_untrusted "after untrust"
  for host in "${matrix_hosts[@]}"; do check "untrust left nothing behind on $host" host_state_is "$host" "$work/$host/before"; done
  hosts_stop
  matrix_table
  [[ -z $markdown_file ]] || matrix_markdown >"$markdown_file"
}

# The clients that were named on the command line, else all.
matrix_choose() {
  local known=" ${matrix_clients[*]} " client
  [[ -z $chosen_clients ]] || IFS=, read -ra matrix_clients <<<"$chosen_clients"
  for client in "${matrix_clients[@]}"; do
    [[ $known == *" $client "* ]] || {
      echo "interop: unknown client: $client (one of$known)" >&2
      exit 2
    }
  done
  mapfile -t matrix_hosts < <(for client in "${matrix_clients[@]}"; do host_of "$client"; done | awk '!seen[$0]++')
}

is_engine() { [[ " ${matrix_engines[*]} " == *" $1 "* ]]; }

# matrix_host HOST - with a network between it and the hub, and a name for the registry.
matrix_host() {
  local number=${#hosts[@]}
  host_start "$1"
  hosts_link hub "10.213.$number.1/30" "$1" "10.213.$number.2/30" "eth$number"
  echo "10.213.$number.1 registry.test" >>"$work/$1/etc/hosts"
}

# The name of a repository that a client pushes to.
repository() { printf '%s/%s/%s\n' "$registry_name" "$matrix_user" "${1//_/-}${2:-}"; }

# Each engine is alone on its host. There is one more host for a second containerd.
host_of() {
  case $1 in
    docker_*) echo "$1" ;;
    ctr_modern) echo modern ;;
    *) echo desk ;;
  esac
}

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

# matrix_trusts HOST [OPTION] - certs.d, and the operating system's store, where crane, oras, cosign and helm look.
matrix_trusts() {
  server_install "$1"
  check "portcullis trust $registry_name --ca-sha256 ... ${2:-} on $1" on "$1" portcullis trust "$registry_name" ${2:+"$2"} \
    --ca-sha256 "$(on hub portcullis ca show --json | jq -r .sha256)"
}

# matrix_untrusted WHEN - every client refuses the certificate, and says so.
matrix_untrusted() {
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

# host_state HOST - every file and directory where trust in a registry may be, with its mode and content. podman keeps a lock
# in /etc/cni.
host_state() {
  on "$1" sh -c 'find /etc /usr/local/share/ca-certificates /var/lib/portcullis-trust -path /etc/cni -prune -o -printf "%p %M %l\n" 2>/dev/null |
    sort
    find /etc /usr/local/share/ca-certificates -path /etc/cni -prune -o -type f -exec sha256sum {} + | sort -k 2'
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
    # Where disks are small, images of 200 MiB in as many stores are too much.
    rm -rf "$work/matrix/$client/large"
  done
}

# matrix_cells_again CAPABILITY... - of the engines: what failed once stays failed.
matrix_cells_again() {
  local client capability before
  for client in "${matrix_clients[@]}"; do
    if ! is_engine "$client" || [[ -z ${labels[$client]:-} ]]; then continue; fi
    for capability in "$@"; do
      before=${cells[$client/$capability]}
      cell "$client" "$capability" ", after plain trust"
      [[ $before != FAIL ]] || cells[$client/$capability]=FAIL
    done
  done
}

# cell CLIENT CAPABILITY [WHEN]
cell() {
  local client=$1 capability=$2 before=$failed
  if can "$client" "$capability"; then
    check "${labels[$client]}: $(capability_name "$capability")${3:-}" "try_$capability" "$client"
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
