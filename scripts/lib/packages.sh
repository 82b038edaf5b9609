# Sourced. Finds the programs that a script needs, and installs their Debian packages where that is possible.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# The programs that are still missing after `want`, one a line as "program (package)".
missing=()

# want PROGRAM:PACKAGE[|PACKAGE]... - installs the packages of the programs that are not there (root and apt-get only).
want() {
  local pair packages=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
  done
  if ((${#packages[@]} > 0)) && [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
    install_packages "${packages[@]}" || true
  fi
  missing=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair%%:*} (Debian package ${pair#*:})")
  done
}

install_packages() {
  local log failed=0
  log=$(mktemp)
  # One at a time: scripts run side by side. What a package starts must not keep the lock.
  exec 9>/var/lock/portcullis-packages
  flock 9
  printf 'installing %s\n' "$*" >&2
  { apt-get update -qq && install_first_of "$@"; } >"$log" 2>&1 9>&- || failed=1
  exec 9>&-
  ((failed == 0)) || tail -n 3 "$log" >&2
  rm -f "$log"
  return "$failed"
}

# Of "a|b" the first that this release of Debian has.
install_first_of() {
  local alternatives package chosen=()
  for alternatives in "$@"; do
    for package in ${alternatives//|/ }; do
      if apt-cache show "$package" >/dev/null 2>&1; then
        chosen+=("$package")
        break
      fi
    done
  done
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${chosen[@]}"
}

# need PROGRAM:PACKAGE... - as `want`, but ends the script, in one line, when something is missing.
need() {
  want "$@"
  if ((${#missing[@]} > 0)); then
    local IFS=,
    printf '%s: missing: %s\n' "${0##*/}" "${missing[*]}" >&2
    exit 2
  fi
}
