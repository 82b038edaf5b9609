# Sourced. containerd's ctr, of Debian's release and of a modern one, and its daemon. ctr has no login: it takes the
# password with each command.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# containerd_start HOST [CONFIGURATION] - a containerd of the host's own.
containerd_start() {
  printf 'version = 2\nroot = "%s/containerd"\nstate = "/run/containerd-own"\n[grpc]\naddress = "/run/containerd-own.sock"\n%s\n' \
    "$work/$1" "${2:-}" >"$work/$1/etc/containerd.toml"
  daemon_start "$1" containerd containerd --config /etc/containerd.toml
  within 15 ctr_on "$1" version
}

# containerd 2 pulls in its daemon, and unpacks there what its configuration names; native works on every file system.
containerd_unpacks_native() {
  printf '[[plugins."io.containerd.transfer.v1.local".unpack_config]]\nplatform = "%s"\nsnapshotter = "native"\n' "$platform_here"
}

ctr_on() {
  local host=$1
  shift
  on "$host" ctr --address /run/containerd-own.sock "$@"
}

# ctr_digest HOST REFERENCE
ctr_digest() { ctr_on "$1" images ls "name==$2" | grep -Eo 'sha256:[0-9a-f]{64}'; }

ctr_login() { printf '%s\n' --hosts-dir /etc/docker/certs.d --user "$matrix_user:$matrix_password"; }

# ctr_push HOST LAYOUT REFERENCE
ctr_push() {
  tar -C "$2" -c oci-layout index.json blobs |
    ctr_on "$1" images import --all-platforms --no-unpack --base-name "${3%:*}" -
  ctr_send "$1" "$3"
}

# ctr_send HOST REFERENCE - pushes what containerd has.
ctr_send() {
  local login
  mapfile -t login < <(ctr_login)
  ctr_on "$1" images push "${login[@]}" "$2"
  ctr_digest "$1" "$2"
}

ctr_pull() {
  local login
  mapfile -t login < <(ctr_login)
  ctr_on "$1" images rm --sync "$2" || true
  ctr_on "$1" images pull "${login[@]}" --snapshotter native "$2"
  ctr_digest "$1" "$2"
}

# containerd knows from a pull where it may mount from.
ctr_mount() {
  ctr_pull "$1" "$2"
  ctr_on "$1" images tag "$2" "$3"
  ctr_send "$1" "$3"
}

push_with_ctr() { ctr_push desk "$1" "$2"; }
pull_with_ctr() { ctr_pull desk "$1"; }
index_with_ctr() { ctr_push desk "$1" "$2"; }
mount_with_ctr() { ctr_mount desk "$1" "$2"; }

push_with_ctr_modern() { ctr_push modern "$1" "$2"; }
pull_with_ctr_modern() { ctr_pull modern "$1"; }
index_with_ctr_modern() { ctr_push modern "$1" "$2"; }
mount_with_ctr_modern() { ctr_mount modern "$1" "$2"; }
