# Sourced. A docker daemon of its own for a host, and the images that the walks push.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# docker_start HOST [OPTION...] - dockerd on the host's default socket, and on $work/HOST/docker.sock for the machine.
docker_start() {
  local name=$1
  shift
  daemon_start "$name" dockerd dockerd --host unix:///run/docker.sock --host "unix://$work/$name/docker.sock" \
    --data-root "$work/$name/docker" "$@"
  within 30 docker_answers "$name" || {
    tail -n 5 "$work/$name/log/dockerd" >&2
    echo "interop: dockerd did not start on $name" >&2
    return 1
  }
}

docker_answers() { on "$1" docker version >/dev/null 2>&1; }

# docker_image HOST TAG - builds an image with two layers that cannot be compressed, and no parent.
docker_image() {
  local context=$work/$1/context
  mkdir -p "$context"
  head -c 3000000 /dev/urandom >"$context/one"
  head -c 200000 /dev/urandom >"$context/two"
  printf 'FROM scratch\nCOPY one /one\nCOPY two /two\nCMD ["/one"]\n' >"$context/Dockerfile"
  on "$1" env DOCKER_BUILDKIT=0 docker build --quiet --tag "$2" "$context"
}

# docker_login HOST PERSON REGISTRY USER PASSWORD
docker_login() {
  as "$1" "$2" docker login --username "$4" --password-stdin "$3" <<<"$5"
}

# docker_push HOST PERSON REFERENCE - pushes, and keeps the digest that docker prints for `pushed_digest`.
docker_push() {
  as "$1" "$2" docker push "$3" | tee "$work/$1/pushed"
  grep -Eq 'digest: sha256:[0-9a-f]{64}' "$work/$1/pushed"
}

# pushed_digest HOST - the digest of the last docker_push.
pushed_digest() { grep -Eo 'sha256:[0-9a-f]{64}' "$work/$1/pushed" | tail -n 1; }

# docker_forget HOST REFERENCE... - removes every name and layer of the image from the daemon.
docker_forget() {
  local name=$1
  shift
  on "$name" docker rmi --force "$@"
  ! on "$name" docker image inspect "$1" 2>/dev/null
}

# docker_pull_same HOST PERSON REFERENCE - pulls, and compares with the digest of the last docker_push.
docker_pull_same() {
  as "$1" "$2" docker pull "$3" | tee "$work/$1/pulled"
  same "$(sed -n 's/^Digest: //p' "$work/$1/pulled")" "$(pushed_digest "$1")"
}

# the_docker_walk HOST REGISTRY USER PASSWORD - login, tag, push, rmi, pull; what every docker user types.
the_docker_walk() {
  local name=$1 registry=$2
  check "an image to push" docker_image "$name" nginx
  check "docker login $registry" docker_login "$name" operator "$registry" "$3" "$4"
  check "docker image tag nginx $registry/nginx:v1" on "$name" docker image tag nginx "$registry/nginx:v1"
  check "docker push $registry/nginx:v1" docker_push "$name" operator "$registry/nginx:v1"
  check "docker rmi: gone from this machine" docker_forget "$name" "$registry/nginx:v1" nginx
  check "docker pull $registry/nginx:v1 brings the same digest" docker_pull_same "$name" operator "$registry/nginx:v1"
}
