# Sourced. The matrix's cosign: signs with a key of its own, without a transparency log (there is none to be reached).
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

cosign() {
  by cosign env SSL_CERT_FILE="/etc/docker/certs.d/$registry_name/ca.crt" COSIGN_PASSWORD=of-the-key COSIGN_YES=true cosign "$@"
}

login_with_cosign() { cosign login --username "$matrix_user" --password-stdin "$registry_name" <<<"$matrix_password"; }

pull_with_cosign() {
  rm -rf "$work/desk/cosign"
  cosign save --dir "$work/desk/cosign" "$1"
  layout_digest "$work/desk/cosign"
}

mount_with_cosign() { cosign copy "$1" "$2"; }

# A signature verifies with its key and with no other; an SBOM is attached and read back; both go when they are cleaned up.
# Those lie under tags; last comes an attestation that is a referrer.
artifact_with_cosign() {
  local keys=$work/desk/cosign-keys image
  image=${1%:*}@$(digest_served "$1")
  cosign_keys "$keys"
  cosign_keys "$keys-foreign"
  cosign sign --key "$keys/cosign.key" "${cosign_offline[@]}" "$image"
  cosign verify --key "$keys/cosign.pub" --insecure-ignore-tlog "$image"
  expect_refusal 'no matching|no signatures|invalid signature' cosign verify --key "$keys-foreign/cosign.pub" --insecure-ignore-tlog "$image"
  cosign attach sbom --sbom "$2" --type spdx "$image"
  cosign download sbom "$image" >"$work/desk/cosign.txt"
  cmp "$2" "$work/desk/cosign.txt"
  cosign clean --force --type all "$image"
  expect_refusal 'no matching|no signatures' cosign verify --key "$keys/cosign.pub" --insecure-ignore-tlog "$image"
  cosign attest --key "$keys/cosign.key" "${cosign_offline[@]}" --predicate "$2" --type custom --new-bundle-format "$image"
  cosign verify-attestation --key "$keys/cosign.pub" --insecure-ignore-tlog --type custom --new-bundle-format "$image"
}

cosign_offline=(--tlog-upload=false)

cosign_keys() {
  mkdir -p "$1"
  by cosign env COSIGN_PASSWORD=of-the-key sh -c "cd '$1' && cosign generate-key-pair"
}
