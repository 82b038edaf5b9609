# Sourced. The matrix's regctl, which reads /etc/docker/certs.d as docker does.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

regctl() { by regctl regctl "$@"; }

login_with_regctl() { regctl registry login --user "$matrix_user" --pass-stdin "$registry_name" <<<"$matrix_password"; }

push_with_regctl() {
  regctl image copy "ocidir://$1:$image_tag" "$2"
  regctl image digest "$2"
}

pull_with_regctl() {
  rm -rf "$work/desk/regctl"
  regctl image copy "$1" "ocidir://$work/desk/regctl:$image_tag"
  layout_digest "$work/desk/regctl"
}

index_with_regctl() { push_with_regctl "$1" "$2"; }

mount_with_regctl() { regctl image copy "$1" "$2"; }

delete_with_regctl() {
  local digest
  digest=$(regctl image digest "$1")
  regctl tag delete "$1"
  regctl manifest delete "${1%:*}@$digest"
}

artifact_with_regctl() {
  local type=application/vnd.portcullis.test
  regctl artifact put --artifact-type "$type" --subject "$1" <"$2"
  regctl artifact list --filter-artifact-type "$type" "$1"
  regctl artifact get --subject "$1" --filter-artifact-type "$type" >"$work/desk/regctl.txt"
  cmp "$2" "$work/desk/regctl.txt"
}
