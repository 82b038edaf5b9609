# Sourced. The matrix as tables: docker's engines, and the other clients, each with what can be asked of them.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

capability_name() {
  case $1 in
    trust) echo "x509 error, \`trust\`, works, \`untrust\`, x509 error" ;;
    build) echo "\`docker build\` from a private base" ;;
    buildx) echo "\`buildx build --push\`" ;;
    builder) echo "the same by BuildKit in a container" ;;
    anonymous) echo "open repository without a login: pull, build from it" ;;
    index) echo "multi-platform index" ;;
    artifact) echo "artifact with referrer" ;;
    large) echo "200 MiB, there and back" ;;
    exchange) echo "pulls what the others pushed" ;;
    basic) echo "basic challenge" ;;
    *) echo "$1" ;;
  esac
}

matrix_table() {
  table_of engines "${engine_capabilities[@]}"
  table_of others "${other_capabilities[@]}"
  printf '\n'
}

matrix_markdown() {
  markdown_of engines "${engine_capabilities[@]}"
  printf '\n'
  markdown_of others "${other_capabilities[@]}"
}

# clients_of engines|others - those of the kind that are installed.
clients_of() {
  local client kind
  for client in "${matrix_clients[@]}"; do
    kind=others
    ! is_engine "$client" || kind=engines
    [[ $kind != "$1" || -z ${labels[$client]:-} ]] || printf '%s\n' "$client"
  done
}

# table_of engines|others CAPABILITY...
table_of() {
  local kind=$1 client capability width=6 clients
  shift
  mapfile -t clients < <(clients_of "$kind")
  ((${#clients[@]} > 0)) || return 0
  for client in "${clients[@]}"; do
    ((${#labels[$client]} <= width)) || width=${#labels[$client]}
  done
  printf "\n%-${width}s" client
  printf ' %-9s' "$@"
  for client in "${clients[@]}"; do
    printf "\n%-${width}s" "${labels[$client]}"
    for capability in "$@"; do printf ' %-9s' "${cells[$client/$capability]}"; done
  done
  printf '\n'
}

# markdown_of engines|others CAPABILITY...
markdown_of() {
  local client capability kind=$1
  shift
  printf '| client |'
  for capability in "$@"; do printf ' %s |' "$(capability_name "$capability")"; done
  printf '\n|---|'
  printf '%.0s---|' "$@"
  printf '\n'
  clients_of "$kind" | while read -r client; do
    printf '| %s |' "${labels[$client]}"
    for capability in "$@"; do printf ' %s |' "${cells[$client/$capability]}"; done
    printf '\n'
  done
}
