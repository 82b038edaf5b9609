# Sourced. Walk 7: the CA is rotated. While the transition lasts, hosts that trust the old root and hosts that trust the new one are
# served, by clients of every TLS library; a host changes to the new root without a new pin. After the date only the new root counts. The
# clients read the operating system's store as well as the file that they are given, so `trust` keeps out of that here.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

overlap_seconds=90

walk7() {
  walk="walk 7"
  have dockerd "rotating the CA" && have docker "rotating the CA" && have skopeo "rotating the CA" || return 0
  want curl:curl wget:wget
  host_start server
  host_start client
  hosts_link server 10.213.7.1/30 client 10.213.7.2/30
  echo '10.213.7.1 registry.test hub.test' >>"$work/client/etc/hosts"
  check "serve --host registry.test" server_start server --host registry.test
  password=$(first_password server) || password=none
  server_install client
  check "dockerd starts on the other host" docker_start client --bridge=none --iptables=false
  check "an image to push" docker_image client "$registry_name/nginx:v1"
  keep_root old
  check "portcullis trust $registry_name --ca-sha256 (the old root's)" \
    on client portcullis trust "$registry_name" --no-system --ca-sha256 "$(pin_of_the_day)"
  check "docker login" docker_login client operator "$registry_name" admin "$password"
  everyone_connects "before" old
  check "ca rotate --host hub.test --overlap ${overlap_seconds}s" rotate
  during_the_transition
  the_host_changes
  after_the_transition
  check "portcullis untrust $registry_name" on client portcullis untrust "$registry_name"
  check "portcullis untrust hub.test:5000" on client portcullis untrust hub.test:5000
  check "nothing is left behind" nothing_is_left
  hosts_stop
}

pin_of_the_day() { on server portcullis ca show --json | jq -r .sha256; }

# keep_root NAME - the root of this moment, in a file and in a certs.d for skopeo.
keep_root() {
  mkdir -p "$work/client/roots/$1"
  on server portcullis ca export >"$work/client/roots/$1/ca.crt"
}

rotate() {
  on server portcullis ca rotate --host hub.test --overlap "${overlap_seconds}s"
  echo $((SECONDS + overlap_seconds)) >"$work/overlap-end"
  within 10 transition_is_served
}

transition_is_served() {
  [[ $(on client curl --silent --insecure --output /dev/null --write-out '%{http_code}' \
    "https://$registry_name/.well-known/portcullis/rotation.pem") == 200 ]]
}

# everyone_connects WHEN ROOT - OpenSSL (curl), GnuTLS (wget) and Go (skopeo), with this root and no other.
everyone_connects() {
  check "$1: curl (OpenSSL) with the $2 root" curl_connects "$registry_name" "$2"
  check "$1: wget (GnuTLS) with the $2 root" wget_connects "$registry_name" "$2"
  check "$1: skopeo (Go) with the $2 root" skopeo_connects "$registry_name" "$2"
}

everyone_refuses() {
  refused 'certificate' "$1: curl (OpenSSL) with the $2 root is refused" curl_connects "$registry_name" "$2"
  refused 'certificate' "$1: wget (GnuTLS) with the $2 root is refused" wget_connects "$registry_name" "$2"
  refused 'x509' "$1: skopeo (Go) with the $2 root is refused" skopeo_connects "$registry_name" "$2"
}

curl_connects() {
  on client curl --silent --show-error --fail --output /dev/null --cacert "$work/client/roots/$2/ca.crt" "https://$1/health/live"
}

wget_connects() {
  on client wget --no-verbose --output-document=/dev/null --ca-certificate="$work/client/roots/$2/ca.crt" --no-proxy "https://$1/health/live"
}

skopeo_connects() {
  on client skopeo login --username admin --password-stdin --cert-dir "$work/client/roots/$2" "$1" <<<"$password"
}

during_the_transition() {
  keep_root new
  mkdir -p "$work/client/roots/both"
  cat "$work/client/roots/"{old,new}/ca.crt >"$work/client/roots/both/ca.crt"
  everyone_connects "during" old
  everyone_connects "during" new
  everyone_connects "during" both
  check "during: docker push from a host that trusts the old root" docker_push client operator "$registry_name/nginx:v1"
  check "during: the new name with the new root" curl_connects hub.test:5000 new
  refused 'certificate' "during: the new name with the old root is refused" curl_connects hub.test:5000 old
  check "during: ca show reports it" ca_show_reports
}

ca_show_reports() { on server portcullis ca show | tee /dev/stderr | grep -qi 'until'; }

the_host_changes() {
  check "portcullis trust $registry_name, without a pin" on client portcullis trust "$registry_name" --no-system
  check "it wrote the new root" same "$(on client sha256sum <"$work/client/etc/docker/certs.d/$registry_name/ca.crt")" \
    "$(sha256sum <"$work/client/roots/new/ca.crt")"
  check "docker push from a host that has changed to the new root" docker_push client operator "$registry_name/nginx:v1"
  check "portcullis trust hub.test:5000 --ca-sha256 (the new root's)" \
    on client portcullis trust hub.test:5000 --no-system --ca-sha256 "$(pin_of_the_day)"
  check "docker login hub.test:5000" docker_login client operator hub.test:5000 admin "$password"
}

after_the_transition() {
  local left=$(($(<"$work/overlap-end") - SECONDS + 1))
  ((left <= 0)) || sleep "$left"
  everyone_refuses "after the date" old
  everyone_connects "after the date" new
  check "after the date: docker push" docker_push client operator "$registry_name/nginx:v1"
  check "after the date: docker pull brings the same digest" docker_pull_same client operator "$registry_name/nginx:v1"
}
