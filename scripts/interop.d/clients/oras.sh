# Sourced. The matrix's oras, which looks for the CA in the operating system's store.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

oras() { by oras oras "$@"; }

login_with_oras() {
  oras login --username "$matrix_user" --password-stdin "$registry_name" <<<"$matrix_password"
}

push_with_oras() { oras copy --no-tty --from-oci-layout "$1:$image_tag" "$2"; }

pull_with_oras() {
  rm -rf "$work/desk/oras"
  oras copy --no-tty --to-oci-layout "$1" "$work/desk/oras:$image_tag"
}

index_with_oras() { push_with_oras "$1" "$2"; }

mount_with_oras() { oras copy --no-tty "$1" "$2"; }

delete_with_oras() { oras manifest delete --force "$1"; }

artifact_with_oras() {
  local type=application/vnd.portcullis.test digest
  oras attach --no-tty --disable-path-validation --artifact-type "$type" "$1" "$2:text/plain"
  oras discover --artifact-type "$type" --format json "$1" | tee "$work/desk/oras.json"
  digest=$(jq -r '(.referrers // .manifests)[0].digest' "$work/desk/oras.json")
  oras manifest fetch "${1%:*}@$digest" | tee "$work/desk/oras.json"
  oras blob fetch --output - "${1%:*}@$(jq -r '.layers[0].digest' "$work/desk/oras.json")" >"$work/desk/oras.txt"
  cmp "$2" "$work/desk/oras.txt"
}
