# Sourced. Finds the portcullis binary that a script tests.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# release_binary - prints the path of the binary: $PORTCULLIS_BIN, else a release build of this tree.
release_binary() {
  if [[ -n ${PORTCULLIS_BIN:-} ]]; then
    realpath -e "$PORTCULLIS_BIN"
    return
  fi
  (cd "$root" && cargo build --release --locked --quiet >&2)
  printf '%s/release/portcullis\n' "${CARGO_TARGET_DIR:-$root/target}"
}
