# Sourced. The matrix's docker engines: each on a host of its own, with Debian's docker client for Debian's engine and a
# modern one with buildx for the others.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

matrix_engines=(docker_20 docker_28 docker_28_containerd docker_29_0 docker_29_8)

# engine_stores_in_containerd ENGINE
engine_stores_in_containerd() { [[ $1 == docker_28_containerd || $1 == docker_29_* ]]; }

# engine_install ENGINE - its programs onto its host, its daemon started, and its label.
engine_install() {
  if [[ $1 == docker_20 ]]; then
    have dockerd docker || return 0
    [[ ! -x /usr/bin/docker ]] || ln -sf /usr/bin/docker "$work/$1/bin/docker"
    check "dockerd of Debian starts" docker_start "$1" --bridge=none --iptables=false
    labels[$1]="docker $(version_said on "$1" dockerd --version), classic builder"
    return
  fi
  tools_of "$1" && tools_of engine "$1" || return 0
  engine_is_configured "$1"
  engine_has_buildx "$1" "$1"
  check "dockerd of $1 starts" docker_start "$1" --bridge=none --iptables=false --ip6tables=false
  check "it stores images where it should" engine_stores_as_named "$1"
  labels[$1]="docker $(version_said on "$1" dockerd --version)"
  case $1 in
    docker_28) labels[$1]+=", classic store" ;;
    docker_28_containerd) labels[$1]+=", containerd's store" ;;
  esac
}

# Of 28.5, which store it takes. Later ones take containerd's by themselves.
engine_is_configured() {
  local containerd=false
  [[ $1 == docker_28* ]] || return 0
  ! engine_stores_in_containerd "$1" || containerd=true
  jq -n --argjson containerd "$containerd" '{features: {"containerd-snapshotter": $containerd}}' >"$work/$1/etc/docker/daemon.json"
}

engine_stores_as_named() {
  on "$1" docker info >"$work/$1/info"
  if engine_stores_in_containerd "$1"; then
    has 'io.containerd.snapshotter' "$work/$1/info"
  else
    ! has 'io.containerd.snapshotter' "$work/$1/info"
  fi
}

# engine_has_buildx ENGINE PERSON - where the client looks for it, for one person on the host.
engine_has_buildx() {
  [[ $1 != docker_20 ]] || return 0
  mkdir -p "$work/$1/home-$2/.docker/cli-plugins"
  ln -sf "$work/$1/bin/docker-buildx" "$work/$1/home-$2/.docker/cli-plugins/docker-buildx"
}
