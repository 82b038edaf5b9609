# Sourced. Installs programs that are written in Go, in versions that were tried, outside of the project.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

tool_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/portcullis-interop/bin

# tool_path PROGRAM VERSION - where the cache keeps it.
tool_path() { printf '%s/%s-%s\n' "$tool_cache" "$1" "$2"; }

# tool_install PROGRAM VERSION PACKAGE [VARIABLE=VALUE] - builds PACKAGE@VERSION from the Go module proxy where the cache
# does not have it. VARIABLE is one of the program's, set by the linker: the version that the program says it is.
tool_install() {
  local program=$1 version=$2 package=$3 place bin began=$SECONDS build=tool_build
  place=$(tool_path "$program" "$version")
  [[ ! -x $place ]] || return 0
  command -v go >/dev/null || {
    echo "go is not installed, which $program $version is built with" >&2
    return 1
  }
  mkdir -p "$tool_cache"
  bin=$(mktemp -d "$tool_cache/.build.XXXXXX")
  printf 'building %s %s ' "$program" "$version" >&2
  # `go install` refuses what docker's repositories have as go.mod, or have as vendor.mod.
  [[ $package != github.com/@(docker|moby)/* ]] || build=tool_build_source
  if ("$build" "$bin" "$version" "$package" "-s -w ${4:+-X $4}") >"$bin/log" 2>&1; then
    mv "$bin/${package##*/}" "$place"
    rm -rf "$bin"
    printf '(%d s)\n' $((SECONDS - began)) >&2
  else
    printf 'failed: ' >&2
    tail -n 3 "$bin/log" >&2
    rm -rf "$bin"
    return 1
  fi
}

# tool_build DIRECTORY VERSION PACKAGE LINKER-FLAGS - static, so that neither a C compiler nor any library of the machine
# matters; one package at a time, so that the machine can do other work.
tool_build() {
  CGO_ENABLED=0 GOBIN=$1 nice -n 5 timeout 2400 go install -trimpath -ldflags="$4" "$3@$2"
}

# tool_build_source DIRECTORY VERSION PACKAGE LINKER-FLAGS - the same from a copy of the module, as its authors build it.
tool_build_source() {
  local module source
  module=$(grep -Eo '^github\.com/[^/]+/[^/]+(/v[0-9]+)?' <<<"$3")
  source=$(go mod download -json "$module@$2" | jq -er .Dir) || return 1
  cp -r "$source" "$1/source" && chmod -R u+w "$1/source" && rm -rf "$1/source/vendor" && cd "$1/source" || return 1
  if [[ -e vendor.mod ]]; then mv vendor.mod go.mod && mv vendor.sum go.sum; fi
  CGO_ENABLED=0 nice -n 5 timeout 2400 go build -mod=mod -buildvcs=false -trimpath -ldflags="$4" -o "$1/" "$3"
}

# cargo_tool_install PROGRAM VERSION [FEATURES] - builds a crate's program where the cache does not have it, as
# ~/.cache/portcullis-interop/PROGRAM/bin/PROGRAM.
cargo_tool_install() {
  local program=$1 version=$2 place=${tool_cache%/bin}/$1
  ! grep -qs "\"$program $version " "$place/.crates2.json" || return 0
  command -v cargo >/dev/null || { echo "cargo is not installed, which $program $version is built with" >&2 && return 1; }
  printf 'building %s %s\n' "$program" "$version" >&2
  (cd / && nice -n 5 cargo install --quiet --locked --root "$place" --features "${3:-default}" --version "=$version" "$program" >&2)
}
