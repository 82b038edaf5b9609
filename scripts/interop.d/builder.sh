# Sourced. BuildKit in a container of an engine, as `docker buildx create` makes it, from an image that is made here.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# engine_has_builder ENGINE - BuildKit in a container. buildx hands to it what its default file says of the registry.
engine_has_builder() {
  local image=localhost:1/buildkit:own
  ! by "$1" docker buildx inspect boxed 2>/dev/null || return 0
  mkdir -p "$work/$1/home-$1/.docker/buildx"
  on "$1" portcullis trust "$registry_name" --dry-run --print buildkit --json | jq -r '.stanzas[]' \
    >"$work/$1/home-$1/.docker/buildx/buildkitd.default.toml"
  buildkit_root "$work/$1/buildkit-root"
  tar -C "$work/$1/buildkit-root" -c . |
    on "$1" docker import --change 'ENTRYPOINT ["/usr/bin/buildkitd"]' --change 'ENV PATH=/usr/bin' - "$image"
  runc_within_bounds "$1"
  # There is nothing to pull the image from: buildx says so, and takes the local one.
  by "$1" docker buildx create --name boxed --driver docker-container --driver-opt "image=$image,network=host" --bootstrap
}

# buildkit_root DIRECTORY - the file system of its container: BuildKit, and Debian's runc with the libraries it needs.
buildkit_root() {
  local library
  mkdir -p "$1"/{usr/bin,etc,proc,sys,dev,tmp,run,var/lib}
  for library in buildkitd buildctl; do cp -L "$(tool_path_of engine "$library")" "$1/usr/bin/$library"; done
  cp "$(command -v runc)" "$1/usr/bin/runc"
  ldd "$(command -v runc)" | grep -Eo '/[^ ]+' | while read -r library; do install -D "$library" "$1$library"; done
}

# engine_forgets_builder ENGINE - the container goes before its daemon.
engine_forgets_builder() { by "$1" docker buildx rm boxed >/dev/null 2>&1 || true; }

# runc_within_bounds HOST - buildx asks for a container with every capability there is. Where the machine's own root does not
# have all of them, runc fails: the host's runc leaves those out, and the time namespace, which Debian's runc does not know.
runc_within_bounds() {
  local own
  own=$(setpriv --dump | sed -n 's/^Capability bounding set: //p' | jq -Rc 'split(",") | map("CAP_" + ascii_upcase)')
  cat >"$work/$1/bin/runc" <<EOF
#!/usr/bin/env bash
set -euo pipefail
arguments=("\$@")
while ((\$# > 1)); do
  if [[ \$1 == --bundle ]]; then
    jq --argjson own '$own' '(.process.capabilities[] |= map(select(. as \$one | \$own | index(\$one)))) |
      (.linux.namespaces |= map(select(.type != "time")))' "\$2/config.json" >"\$2/config.own"
    mv "\$2/config.own" "\$2/config.json"
  fi
  shift
done
exec $(PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin command -v runc) "\${arguments[@]}"
EOF
  chmod 755 "$work/$1/bin/runc"
}
