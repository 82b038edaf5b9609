# Sourced. The matrix's docker clients: 20.10 with its own image store, and a modern daemon with containerd's.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

login_with_docker_classic() { docker_login desk docker_classic "$registry_name" "$matrix_user" "$matrix_password"; }

push_with_docker_classic() {
  docker_build_layout desk "$1" "$2"
  by docker_classic docker push "$2"
}

pull_with_docker_classic() {
  on desk docker rmi --force "$1" || true
  by docker_classic docker pull "$1"
}

# `docker manifest` makes lists of what has been pushed.
index_with_docker_classic() {
  local architecture
  for architecture in amd64 arm64; do
    docker_build_layout desk "$1" "$2-$architecture" "$architecture"
    by docker_classic docker push "$2-$architecture"
  done
  by docker_classic docker manifest create "$2" "$2-amd64" "$2-arm64"
  by docker_classic docker manifest annotate --os linux --arch arm64 "$2" "$2-arm64"
  by docker_classic docker manifest push --purge "$2"
}

mount_with_docker_classic() {
  on desk docker tag "$1" "$2"
  by docker_classic docker push "$2" | tee "$work/desk/mounted"
  has 'Mounted from' "$work/desk/mounted"
}

# docker_build_layout HOST LAYOUT TAG [ARCHITECTURE] - docker 20.10 reads no OCI layout: builds an image of its layers.
docker_build_layout() {
  local context=$work/$1/layout-context digest number=0
  rm -rf "$context"
  mkdir -p "$context"
  echo "FROM scratch" >"$context/Dockerfile"
  while read -r digest; do
    number=$((number + 1))
    ln "$2/blobs/sha256/${digest#sha256:}" "$context/$number.tar"
    echo "ADD $number.tar /" >>"$context/Dockerfile"
  done < <(layout_layers "$2")
  echo "LABEL architecture=${4:-amd64}" >>"$context/Dockerfile"
  on "$1" env DOCKER_BUILDKIT=0 docker build --quiet --tag "$3" "$context"
}

# layout_layers LAYOUT - the layers of its image, or of the first image of its index.
layout_layers() {
  local blob=$1/blobs/sha256/ manifest
  manifest=$(layout_digest "$1")
  if jq -e .manifests "$blob${manifest#sha256:}" >/dev/null; then
    manifest=$(jq -r '.manifests[0].digest' "$blob${manifest#sha256:}")
  fi
  jq -r '.layers[].digest' "$blob${manifest#sha256:}"
}

login_with_docker_modern() { docker_login modern docker_modern "$registry_name" "$matrix_user" "$matrix_password"; }

push_with_docker_modern() {
  layout_tar "$1" "$2" | by docker_modern docker load
  by docker_modern docker push "$2"
}

pull_with_docker_modern() {
  by docker_modern docker rmi --force "$1" || true
  by docker_modern docker pull "$1"
}

# The containerd image store holds indexes as they are.
index_with_docker_modern() { push_with_docker_modern "$1" "$2"; }

mount_with_docker_modern() {
  by docker_modern docker tag "$1" "$2"
  by docker_modern docker push "$2"
}
