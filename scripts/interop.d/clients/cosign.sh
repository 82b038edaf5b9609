# Sourced. The matrix's cosign: signs with a key of its own, without a transparency log (there is none to be reached).
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

cosign() {
  by cosign env COSIGN_PASSWORD=of-the-key COSIGN_YES=true cosign "$@"
}

login_with_cosign() { cosign login --username "$matrix_user" --password-stdin "$registry_name" <<<"$matrix_password"; }

pull_with_cosign() {
  rm -rf "$work/desk/cosign"
  cosign save --dir "$work/desk/cosign" "$1"
  layout_digest "$work/desk/cosign"
}

mount_with_cosign() { cosign copy "$1" "$2"; }

# A signature verifies with its key and with no other; an SBOM is attached and read back; both go when they are cleaned up.
# Those are stored under tags; last comes an attestation that is a referrer.
artifact_with_cosign() {
  local keys=$work/desk/cosign-keys image
  image=${1%:*}@$(digest_served "$1")
  cosign_keys "$keys"
  cosign_keys "$keys-foreign"
  cosign sign --key "$keys/cosign.key" --tlog-upload=false "$image"
  cosign_verify verify --key "$keys/cosign.pub" "$image"
  expect_refusal 'no matching|no signatures|invalid signature' cosign_verify verify --key "$keys-foreign/cosign.pub" "$image"
  cosign attach sbom --sbom "$2" --type spdx "$image"
  cosign download sbom "$image" >"$work/desk/cosign.txt"
  cmp "$2" "$work/desk/cosign.txt"
  cosign clean --force --type all "$image"
  expect_refusal 'no matching|no signatures' cosign_verify verify --key "$keys/cosign.pub" "$image"
  cosign attest --key "$keys/cosign.key" --tlog-upload=false --predicate "$2" --type custom --new-bundle-format "$image"
  cosign_verify verify-attestation --key "$keys/cosign.pub" --type custom --new-bundle-format "$image"
}

# cosign_verify COMMAND... - with an empty root of trust, so that cosign asks no other server for one.
cosign_verify() {
  local command=$1 root=$work/desk/cosign-root.json
  shift
  [[ -s $root ]] || cosign trusted-root create --out "$root"
  cosign "$command" --insecure-ignore-tlog --trusted-root "$root" "$@"
}

cosign_keys() {
  mkdir -p "$1"
  by cosign env COSIGN_PASSWORD=of-the-key sh -c "cd '$1' && cosign generate-key-pair"
}
