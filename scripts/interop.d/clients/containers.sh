# Sourced. The matrix's clients that share the containers/image library: podman, buildah, skopeo. Each keeps a store of its
# own, so that none finds what another pulled.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# lowercase_layout LAYOUT - podman and buildah name an image as its directory, and no name has capitals.
lowercase_layout() {
  if ! on desk mountpoint --quiet /run/matrix; then
    on desk mkdir -p /run/matrix
    on desk mount --bind "$work/matrix" /run/matrix
  fi
  printf 'oci:/run/matrix%s:%s\n' "${1#"$work/matrix"}" "$image_tag"
}

podman_own() { by podman podman --root "$work/desk/podman" --runroot /run/podman-own "$@"; }

login_with_podman() { podman_own login --username "$matrix_user" --password-stdin "$registry_name" <<<"$matrix_password"; }

push_with_podman() {
  local image
  image=$(podman_own pull --quiet "$(lowercase_layout "$1")")
  podman_own tag "$image" "$2"
  podman_send "$2"
}

# podman_send REFERENCE - and prints the digest, which podman itself only writes to a file.
podman_send() {
  podman_own push --digestfile "$work/desk/podman.digest" "$1"
  cat "$work/desk/podman.digest"
}

pull_with_podman() {
  podman_own rmi --all --force || true
  podman_own pull "$1"
  podman_own image inspect --format '{{.Digest}}' "$1"
}

index_with_podman() {
  podman_own manifest create matrix-index
  podman_own manifest add --all matrix-index "oci:$1:$image_tag"
  podman_own manifest push --all --digestfile "$work/desk/podman.digest" matrix-index "docker://$2"
  cat "$work/desk/podman.digest"
}

mount_with_podman() {
  podman_own tag "$1" "$2"
  podman_send "$2"
}

buildah_own() { by buildah buildah --root "$work/desk/buildah" --runroot /run/buildah-own "$@"; }

login_with_buildah() { buildah_own login --username "$matrix_user" --password-stdin "$registry_name" <<<"$matrix_password"; }

push_with_buildah() {
  local image
  image=$(buildah_own pull --quiet "$(lowercase_layout "$1")")
  buildah_own tag "$image" "$2"
  buildah_send "$2"
}

buildah_send() {
  buildah_own push --digestfile "$work/desk/buildah.digest" "$1"
  cat "$work/desk/buildah.digest"
}

pull_with_buildah() {
  buildah_own rmi --all --force || true
  buildah_own pull "$1"
  buildah_own images --format '{{.Digest}}' "$1"
}

index_with_buildah() {
  buildah_own manifest create matrix-index
  buildah_own manifest add --all matrix-index "oci:$1:$image_tag"
  buildah_own manifest push --all --digestfile "$work/desk/buildah.digest" matrix-index "docker://$2"
  cat "$work/desk/buildah.digest"
}

mount_with_buildah() {
  buildah_own tag "$1" "$2"
  buildah_send "$2"
}

login_with_skopeo() { by skopeo skopeo login --username "$matrix_user" --password-stdin "$registry_name" <<<"$matrix_password"; }

push_with_skopeo() {
  by skopeo skopeo copy --all --digestfile "$work/desk/skopeo.digest" "oci:$1:$image_tag" "docker://$2"
  cat "$work/desk/skopeo.digest"
}

# Into a directory, where the manifest stays as it is.
pull_with_skopeo() {
  rm -rf "$work/desk/skopeo"
  by skopeo skopeo copy --all "docker://$1" "dir:$work/desk/skopeo"
  printf 'sha256:%s\n' "$(sha256sum <"$work/desk/skopeo/manifest.json" | cut -c 1-64)"
}

index_with_skopeo() { push_with_skopeo "$1" "$2"; }

mount_with_skopeo() { by skopeo skopeo copy --all "docker://$1" "docker://$2"; }

delete_with_skopeo() { by skopeo skopeo delete "docker://$1"; }
