# Sourced. The matrix's clients: which, in which version, and how they come onto the hosts.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# CLIENT PROGRAM VERSION PACKAGE, of those that Debian does not have, or has too old. All were tried in this version.
matrix_tools='
  crane         crane      v0.22.1        github.com/google/go-containerregistry/cmd/crane
  oras          oras       v1.3.6         oras.land/oras/cmd/oras
  regctl        regctl     v0.11.7        github.com/regclient/regclient/cmd/regctl
  helm          helm       v3.22.0        helm.sh/helm/v3/cmd/helm
  cosign        cosign     v2.6.5         github.com/sigstore/cosign/v2/cmd/cosign
  ctr_modern    containerd v2.4.2         github.com/containerd/containerd/v2/cmd/containerd
  ctr_modern    ctr        v2.4.2         github.com/containerd/containerd/v2/cmd/ctr
  docker_modern dockerd    v2.0.0-beta.24 github.com/moby/moby/v2/cmd/dockerd
'

# matrix_install - brings every client onto its host and gives it its label; one that cannot be had is skipped by name.
matrix_install() {
  local client
  want podman:podman buildah:buildah skopeo:skopeo dockerd:docker.io containerd:containerd
  for client in "${matrix_clients[@]}"; do
    case $client in
      podman | buildah | skopeo) install_packaged "$client" ;;
      crane | oras | regctl | helm | cosign) install_built "$client" ;;
      *) "install_$client" ;;
    esac
  done
}

install_packaged() {
  have "$1" "$1" || return 0
  labels["$1"]="$1 $(version_said "$1" --version)"
}

install_built() {
  tools_of "$1" || return 0
  labels["$1"]="$1 $(tool_version "$1" "$1")"
}

# tools_of CLIENT - installs the client's programs on its host.
tools_of() {
  local client program version package
  while read -r client program version package; do
    [[ $client == "$1" ]] || continue
    if ! tool_install "$program" "$version" "$package"; then
      skip "$client" "$program $version cannot be built"
      return 1
    fi
    ln -sf "$(tool_path "$program" "$version")" "$work/$(host_of "$client")/bin/$program"
  done <<<"$matrix_tools"
}

# tool_version CLIENT PROGRAM
tool_version() { awk -v client="$1" -v program="$2" '$1 == client && $2 == program { print substr($3, 2) }' <<<"$matrix_tools"; }

# version_said COMMAND... - the first version number that it prints.
version_said() { "$@" 2>/dev/null | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1; }

# Debian's docker: its client and its daemon, also where another client comes first in PATH.
install_docker_classic() {
  have dockerd docker || return 0
  [[ ! -x /usr/bin/docker ]] || ln -sf /usr/bin/docker "$work/desk/bin/docker"
  check "dockerd starts" docker_start desk --bridge=none --iptables=false
  labels[docker_classic]="docker $(version_said on desk dockerd --version)"
}

install_ctr() {
  have containerd ctr && have ctr ctr || return 0
  check "containerd starts" containerd_start desk
  labels[ctr]="containerd ctr $(version_said on desk ctr --version)"
}

install_ctr_modern() {
  tools_of ctr_modern || return 0
  check "containerd 2 starts" containerd_start modern "$(containerd_unpacks_native)"
  labels[ctr_modern]="containerd ctr $(tool_version ctr_modern ctr)"
}

# The modern daemon uses the modern containerd that is on the host, and nothing else for storing images. Its client is
# the first in PATH, which may be Debian's: the daemon is told to take that one, too.
install_docker_modern() {
  tools_of ctr_modern && tools_of docker_modern || return 0
  check "a modern dockerd starts" docker_start modern --bridge=none --iptables=false --ip6tables=false
  check "it stores images in containerd" docker_stores_in_containerd modern
  labels[docker_modern]="docker (moby $(tool_version docker_modern dockerd), containerd's store)"
}

docker_stores_in_containerd() { on "$1" docker info | tee /dev/stderr | grep 'io.containerd.snapshotter'; }
