# Sourced. The matrix's helm: a chart, which helm pushes as an artifact of its own kind.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

helm() { by helm helm "$@"; }

login_with_helm() {
  helm registry login --username "$matrix_user" --password-stdin "$registry_name" <<<"$matrix_password"
}

# The chart is named as the repository's last part, as helm demands.
push_with_helm() {
  local chart=$work/desk/charts name=${2##*/}
  name=${name%:*}
  rm -rf "$chart"
  mkdir -p "$chart/$name/templates"
  printf 'apiVersion: v2\nname: %s\nversion: %s\n' "$name" "$image_tag" >"$chart/$name/Chart.yaml"
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n' >"$chart/$name/templates/map.yaml"
  helm package --destination "$chart" "$chart/$name"
  helm push "$chart/$name-$image_tag.tgz" "oci://${2%/*}"
}

pull_with_helm() {
  local into=$work/desk/charts-pulled name=${1##*/}
  rm -rf "$into"
  mkdir -p "$into"
  helm pull --version "$image_tag" --destination "$into" "oci://${1%:*}"
  helm template matrix "$into/${name%:*}-$image_tag.tgz" | grep 'kind: ConfigMap'
  helm show chart --version "$image_tag" "oci://${1%:*}"
}
