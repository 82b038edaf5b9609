# Sourced. The official conformance suite against the balancer.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

bound_conformance() {
  local versions=(1.1 dev)
  CONFORMANCE_REGISTRY=localhost:${port[balancer]} CONFORMANCE_CA=$work/ca.pem \
    CONFORMANCE_PASSWORD=$administrator_password "$root/scripts/conformance" "${versions[@]}"
}
