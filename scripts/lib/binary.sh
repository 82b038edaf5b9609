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

# static_binary - prints the path of a static binary: $PORTCULLIS_STATIC_BIN, else a release build of this tree for musl.
static_binary() {
  if [[ -n ${PORTCULLIS_STATIC_BIN:-} ]]; then
    realpath -e "$PORTCULLIS_STATIC_BIN"
    return
  fi
  local target
  target=$(uname -m)-unknown-linux-musl
  need cargo:cargo musl-gcc:musl-tools
  if command -v rustup >/dev/null && ! rustup target list --installed | grep -qx "$target"; then
    rustup target add "$target" >&2
  fi
  (cd "$root" && cargo build --release --locked --quiet --target "$target" >&2)
  printf '%s/%s/release/portcullis\n' "${CARGO_TARGET_DIR:-$root/target}" "$target"
}
