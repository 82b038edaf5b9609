# Sourced. The matrix's crane, which looks for the CA in the operating system's store alone.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

crane() { by crane crane "$@"; }

login_with_crane() { crane auth login --username "$matrix_user" --password-stdin "$registry_name" <<<"$matrix_password"; }

push_with_crane() { crane push "$1" "$2"; }

pull_with_crane() {
  rm -rf "$work/desk/crane"
  crane pull --format oci "$1" "$work/desk/crane"
  layout_digest "$work/desk/crane"
}

index_with_crane() { push_with_crane "$1" "$2"; }

mount_with_crane() { crane copy "$1" "$2"; }

delete_with_crane() {
  local digest
  digest=$(crane digest "$1")
  crane delete "$1"
  crane delete "${1%:*}@$digest"
}
