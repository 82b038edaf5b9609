# Sourced. The matrix's clients: which, in which version, and how they come onto the hosts.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# CLIENT PROGRAM VERSION PACKAGE [VARIABLE=VALUE], of those that Debian does not have, or has too old. All were tried in
# this version. `engine` is what all modern docker engines share. Docker's modules are numbered unlike its releases, so the
# linker is told what the program says of itself.
matrix_tools='
  crane                crane         v0.22.1              github.com/google/go-containerregistry/cmd/crane
  oras                 oras          v1.3.6               oras.land/oras/cmd/oras
  regctl               regctl        v0.11.7              github.com/regclient/regclient/cmd/regctl
  helm                 helm          v3.22.0              helm.sh/helm/v3/cmd/helm
  cosign               cosign        v2.6.5               github.com/sigstore/cosign/v2/cmd/cosign
  ctr_modern           containerd    v2.4.2               github.com/containerd/containerd/v2/cmd/containerd
  ctr_modern           ctr           v2.4.2               github.com/containerd/containerd/v2/cmd/ctr
  docker_28            dockerd       v28.5.2+incompatible github.com/docker/docker/cmd/dockerd   github.com/docker/docker/dockerversion.Version=28.5.2
  docker_28_containerd dockerd       v28.5.2+incompatible github.com/docker/docker/cmd/dockerd   github.com/docker/docker/dockerversion.Version=28.5.2
  docker_29_0          dockerd       v2.0.0-beta.1        github.com/moby/moby/v2/cmd/dockerd    github.com/moby/moby/v2/dockerversion.Version=29.0.0
  docker_29_8          dockerd       v2.0.0-beta.24       github.com/moby/moby/v2/cmd/dockerd    github.com/moby/moby/v2/dockerversion.Version=29.8.0
  engine               docker        v29.8.2+incompatible github.com/docker/cli/cmd/docker       github.com/docker/cli/cli/version.Version=29.8.2
  engine               docker-buildx v0.38.2              github.com/docker/buildx/cmd/buildx    github.com/docker/buildx/version.Version=v0.38.2
  engine               containerd    v2.4.2               github.com/containerd/containerd/v2/cmd/containerd
  engine               ctr           v2.4.2               github.com/containerd/containerd/v2/cmd/ctr
  engine               containerd-shim-runc-v2 v2.4.2     github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2
  engine               buildkitd     v0.34.2              github.com/moby/buildkit/cmd/buildkitd github.com/moby/buildkit/version.Version=v0.34.2
  engine               buildctl      v0.34.2              github.com/moby/buildkit/cmd/buildctl
'

# matrix_install - brings every client onto its host and gives it its label; one that cannot be had is skipped by name.
matrix_install() {
  local client
  want podman:podman buildah:buildah skopeo:skopeo dockerd:docker.io containerd:containerd
  for client in "${matrix_clients[@]}"; do
    case $client in
      podman | buildah | skopeo) install_packaged "$client" ;;
      crane | oras | regctl | helm | cosign) install_built "$client" ;;
      docker_*) engine_install "$client" ;;
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

# tools_of CLIENT [HOST] - installs the client's programs on its host.
tools_of() {
  local client program version package variable host=${2:-$(host_of "$1")}
  while read -r client program version package variable; do
    [[ $client == "$1" ]] || continue
    if ! tool_install "$program" "$version" "$package" "$variable"; then
      skip "$1 on $host" "$program $version cannot be built"
      return 1
    fi
    ln -sf "$(tool_path "$program" "$version")" "$work/$host/bin/$program"
  done <<<"$matrix_tools"
}

# tool_version CLIENT PROGRAM
tool_version() { awk -v client="$1" -v program="$2" '$1 == client && $2 == program { print substr($3, 2) }' <<<"$matrix_tools"; }

# tool_path_of CLIENT PROGRAM
tool_path_of() { tool_path "$2" "v$(tool_version "$@")"; }

# version_said COMMAND... - the first version number that it prints.
version_said() { "$@" 2>/dev/null | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1; }

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
