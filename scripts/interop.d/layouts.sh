# Sourced. Images that no client made: OCI image layouts, the same for every client that can read one. Each has two layers
# of random bytes, so that nothing can be compressed and no two images share a blob.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# The tag of every image; a version, because helm takes nothing else for one.
image_tag=1.0.0
platform_here=linux/$(dpkg --print-architecture 2>/dev/null || echo amd64)

# layout DIRECTORY BYTES PLATFORM... - a layout with one image of BYTES and some; of several platforms, an index of them.
layout() {
  local dir=$1 bytes=$2 platform images=() top
  shift 2
  mkdir -p "$dir/blobs/sha256"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci-layout"
  for platform in "$@"; do
    images+=("$(layout_image "$dir" "$bytes" "$platform")")
  done
  top=${images[0]}
  if ((${#images[@]} > 1)); then
    top=$(layout_index "${images[@]}" | layout_blob "$dir" application/vnd.oci.image.index.v1+json)
  fi
  jq -c --arg tag "$image_tag" '.annotations = {"org.opencontainers.image.ref.name": $tag} | {schemaVersion: 2, manifests: [.]}' \
    <<<"$top" >"$dir/index.json"
}

# layout_digest DIRECTORY - the digest of its image or index.
layout_digest() { jq -r '.manifests[0].digest' "$1/index.json"; }

# layout_tar DIRECTORY REFERENCE - the layout as an archive that names the image as docker does.
layout_tar() {
  jq -c --arg name "$2" '.manifests[0].annotations["io.containerd.image.name"] = $name' "$1/index.json" >"$1/index.named"
  tar -C "$1" --transform 's/^index\.named$/index.json/' -c oci-layout blobs index.named
}

# layout_image DIRECTORY BYTES OS/ARCHITECTURE - prints the descriptor of an image.
layout_image() {
  local dir=$1 layers config
  layers=$({
    layout_layer "$2" one | layout_blob "$dir" application/vnd.oci.image.layer.v1.tar
    layout_layer 1000 two | layout_blob "$dir" application/vnd.oci.image.layer.v1.tar
  } | jq -sc .)
  config=$(jq -c --arg os "${3%/*}" --arg architecture "${3#*/}" \
    '{os: $os, architecture: $architecture, config: {Cmd: ["/one"]}, rootfs: {type: "layers", diff_ids: map(.digest)}}' <<<"$layers" |
    layout_blob "$dir" application/vnd.oci.image.config.v1+json)
  jq -nc --argjson config "$config" --argjson layers "$layers" \
    '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config: $config, layers: $layers}' |
    layout_blob "$dir" application/vnd.oci.image.manifest.v1+json |
    jq -c --arg os "${3%/*}" --arg architecture "${3#*/}" '.platform = {os: $os, architecture: $architecture}'
}

# layout_index DESCRIPTOR... - prints an image index.
layout_index() {
  printf '%s\n' "$@" | jq -sc '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: .}'
}

# layout_layer BYTES NAME - prints an archive with one file of random bytes.
layout_layer() {
  local dir
  dir=$(mktemp -d "$work/layer.XXXXXX")
  head -c "$1" /dev/urandom >"$dir/$2"
  tar -C "$dir" --mtime=2026-01-01 --owner=0 --group=0 --mode=644 -c "$2"
  rm -rf "$dir"
}

# layout_blob DIRECTORY MEDIA-TYPE - stores what is on stdin; prints its descriptor.
layout_blob() {
  local blob hex
  blob=$(mktemp "$1/blobs/new.XXXXXX")
  cat >"$blob"
  chmod 644 "$blob"
  hex=$(sha256sum <"$blob" | cut -c 1-64)
  jq -nc --arg type "$2" --arg digest "sha256:$hex" --argjson size "$(stat -c %s "$blob")" \
    '{mediaType: $type, digest: $digest, size: $size}'
  mv "$blob" "$1/blobs/sha256/$hex"
}
