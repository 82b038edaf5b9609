# Sourced. Installs programs that are written in Go, in versions that were tried, outside of the project.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

tool_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/portcullis-interop/bin

# tool_path PROGRAM VERSION - where the cache keeps it.
tool_path() { printf '%s/%s-%s\n' "$tool_cache" "$1" "$2"; }

# tool_install PROGRAM VERSION PACKAGE - builds PACKAGE@VERSION from the Go module proxy where the cache does not have it.
tool_install() {
  local program=$1 version=$2 package=$3 place bin began=$SECONDS
  place=$(tool_path "$program" "$version")
  [[ ! -x $place ]] || return 0
  command -v go >/dev/null || {
    echo "go is not installed, which $program $version is built with" >&2
    return 1
  }
  mkdir -p "$tool_cache"
  bin=$(mktemp -d "$tool_cache/.build.XXXXXX")
  printf 'building %s %s ' "$program" "$version" >&2
  # Static, so that neither a C compiler nor any library of the machine matters.
  if CGO_ENABLED=0 GOBIN=$bin nice -n 5 timeout 1500 go install -trimpath -ldflags='-s -w' "$package@$version" >"$bin/log" 2>&1; then
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
