# Sourced. What the matrix's docker engines do. Each is on a host of its own (engines.sh), so that the functions of all are
# the same ones, with the engine's name as the first word.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

for engine in "${matrix_engines[@]}"; do
  for capability in login push pull index mount build buildx builder anonymous; do
    eval "${capability}_with_$engine() { docker_${capability}_by $engine \"\$@\"; }"
  done
done
unset engine capability

docker_login_by() { docker_login "$1" "$1" "$registry_name" "$matrix_user" "$matrix_password"; }

# docker_push_by ENGINE LAYOUT REFERENCE
docker_push_by() {
  docker_has_layout "$@"
  by "$1" docker push "$3"
}

# docker_pull_by ENGINE REFERENCE
docker_pull_by() {
  docker_forgets "$1" "$2"
  by "$1" docker pull "$2"
}

# docker_index_by ENGINE LAYOUT REFERENCE - containerd's store holds indexes as they are; `docker manifest` makes lists of
# what has been pushed.
docker_index_by() {
  local architecture
  if engine_stores_in_containerd "$1"; then
    docker_push_by "$@"
    return
  fi
  for architecture in amd64 arm64; do
    docker_build_layout "$1" "$2" "$3-$architecture" "$architecture"
    by "$1" docker push "$3-$architecture"
  done
  by "$1" docker manifest create "$3" "$3-amd64" "$3-arm64"
  by "$1" docker manifest annotate --os linux --arch arm64 "$3" "$3-arm64"
  by "$1" docker manifest push --purge "$3"
}

# docker_mount_by ENGINE REFERENCE REFERENCE
docker_mount_by() {
  by "$1" docker tag "$2" "$3"
  by "$1" docker push "$3" | tee "$work/$1/mounted"
  engine_stores_in_containerd "$1" || has 'Mounted from' "$work/$1/mounted"
}

# docker_build_by ENGINE BASE TAG - `docker build` of an image from a base that the engine has to pull: by BuildKit, except
# in 20.10, whose default is the classic builder (its BuildKit reads certs.d once, when the daemon starts).
docker_build_by() {
  docker_context_from "$1" "$2"
  docker_forgets "$1" "$2"
  by "$1" docker build --pull --tag "$3" "$work/$1/context-from"
  same "$(on "$1" docker image inspect "$3" | jq '.[0].RootFS.Layers | length')" 3
}

# docker_buildx_by ENGINE BASE TAG - the same with the driver `docker`, and pushed.
docker_buildx_by() {
  docker_context_from "$1" "$2"
  docker_forgets "$1" "$2"
  by "$1" docker buildx build --builder default --pull --push --tag "$3" "$work/$1/context-from"
}

# docker_builder_by ENGINE BASE TAG - the same by BuildKit in a container, which trusts by buildx's default file.
docker_builder_by() {
  docker_context_from "$1" "$2"
  engine_has_builder "$1"
  by "$1" docker buildx build --builder boxed --no-cache --pull --push --tag "$3" "$work/$1/context-from"
}

# docker_anonymous_by ENGINE REFERENCE - without any login: a pull, and a build from it.
docker_anonymous_by() {
  docker_context_from "$1" "$2"
  docker_forgets "$1" "$2"
  engine_has_buildx "$1" anonymous
  as "$1" anonymous docker build --pull --tag from-open "$work/$1/context-from"
  docker_forgets "$1" "$2" from-open
  as "$1" anonymous docker pull "$2"
}

# docker_forgets ENGINE REFERENCE... - what the engine and its builder have of an image, and of builds.
docker_forgets() {
  local host=$1
  shift
  on "$host" docker rmi --force "$@" || true
  [[ $host == docker_20 ]] || on "$host" docker builder prune --all --force
}

# docker_context_from ENGINE BASE - a build with one layer of its own.
docker_context_from() {
  mkdir -p "$work/$1/context-from"
  head -c 3000 /dev/urandom >"$work/$1/context-from/file"
  printf 'FROM %s\nCOPY file /file\n' "$2" >"$work/$1/context-from/Dockerfile"
}

# docker_has_layout ENGINE LAYOUT TAG - the engine's own store knows no OCI layout: an image is built of its layers.
docker_has_layout() {
  if engine_stores_in_containerd "$1"; then
    layout_tar "$2" "$3" | by "$1" docker load
  else
    docker_build_layout "$1" "$2" "$3"
  fi
}

# docker_build_layout HOST LAYOUT TAG [ARCHITECTURE]
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
