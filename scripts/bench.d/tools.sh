# Sourced. What the bench builds for itself, outside of the project: distribution 3, the probe, and the clients.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

bench_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/portcullis-bench
tool_cache=$bench_cache/bin
distribution_version=v3.1.2

# tools_make - sets distribution, probe, transfer and client to the paths of programs.
tools_make() {
  need go:golang-go cargo:cargo
  if [[ " ${servers[*]} " == *' distribution '* ]]; then
    tool_install registry "$distribution_version" github.com/distribution/distribution/v3/cmd/registry
  fi
  distribution=$(tool_path registry "$distribution_version")
  (cd "$here/probe" && CARGO_TARGET_DIR=$bench_cache/probe cargo build --release --locked --quiet >&2)
  probe=$bench_cache/probe/release/probe
  transfer=$bench_cache/probe/release/transfer
  client=$work/client
  (cd "$here/client" && GO111MODULE=off CGO_ENABLED=0 go build -o "$client" .)
}

# symbols_binary - prints the path of a release build of this tree whose stacks perf can read: $PORTCULLIS_BIN, else one in a place
# of its own.
symbols_binary() {
  if [[ -n ${PORTCULLIS_BIN:-} ]]; then
    realpath -e "$PORTCULLIS_BIN"
    return
  fi
  (cd "$root" && CARGO_TARGET_DIR=$bench_cache/symbols CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=line-tables-only \
    RUSTFLAGS='-C force-frame-pointers=yes' cargo build --release --locked --quiet >&2)
  printf '%s/symbols/release/portcullis\n' "$bench_cache"
}
