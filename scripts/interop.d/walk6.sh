# Sourced. Walk 6: client certificates. Alice's clients show the certificate that the operator's own CA signed for her, and need no
# login at all; once it is revoked, or is gone from certs.d, they are refused.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

walk6() {
  walk="walk 6"
  host_start server
  host_start client
  hosts_link server 10.213.8.1/30 client 10.213.8.2/30
  echo '10.213.8.1 registry.test' >>"$work/client/etc/hosts"
  check "openssl makes a CA for clients, a certificate for alice, and an empty revocation list" certificates_for_clients
  check "serve with [client_certificates]" serve_with_client_certificates
  check "user add alice --password-stdin" user_add server alice alices-own-password
  check "portcullis trust $registry_name" trust_the_registry
  docker_without_certificate
  check "client.cert and client.key are next to the CA in certs.d" install_certificate
  docker_with_certificate
  podman_with_certificate
  skopeo_with_certificate
  containerd_with_certificate
  check "the certificate is revoked, and the list replaced" revoke_certificate
  sleep 1
  refused_everywhere "a second later, without a restart" revoked
  check "client.cert and client.key are removed" remove_certificate
  refused_everywhere "without the certificate" "$readable"
  hosts_stop
}

# The commands of an operator with nothing but openssl.
certificates_for_clients() {
  mkdir -p "$work/ca"
  cd "$work/ca" || return
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=clients of the registry' \
    -addext keyUsage=critical,keyCertSign,cRLSign -keyout clients-ca.key -out clients-ca.pem
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=alice' -keyout client.key -out alice.csr
  echo 'extendedKeyUsage = clientAuth' >client.ext
  openssl x509 -req -in alice.csr -CA clients-ca.pem -CAkey clients-ca.key -days 365 -extfile client.ext -out client.cert
  printf '[ca]\ndefault_ca = c\n[c]\ndatabase = index.txt\ncrlnumber = crlnumber\ndefault_md = sha256\ndefault_crl_days = 30\n' >crl.cnf
  touch index.txt
  echo 01 >crlnumber
  revocation_list
}

revocation_list() {
  openssl ca -config crl.cnf -cert clients-ca.pem -keyfile clients-ca.key -gencrl -out clients.crl
  mkdir -p "$work/server/etc/portcullis"
  cp clients-ca.pem clients.crl "$work/server/etc/portcullis/"
}

revoke_certificate() {
  cd "$work/ca" || return
  openssl ca -config crl.cnf -cert clients-ca.pem -keyfile clients-ca.key -revoke client.cert
  revocation_list
}

serve_with_client_certificates() {
  printf '[client_certificates]\nca = "clients-ca.pem"\ncrl = ["clients.crl"]\n' >"$work/server/etc/portcullis/portcullis.toml"
  server_start server --host registry.test
}

trust_the_registry() {
  server_install client
  on client portcullis trust "$registry_name" --ca-sha256 "$(on server portcullis ca show --json | jq -r .sha256)"
}

# Docker, podman and skopeo look here; containerd's hosts.toml names the files.
install_certificate() {
  local dir
  for dir in /etc/docker/certs.d /etc/containers/certs.d; do
    on client install -m 644 "$work/ca/client.cert" "$dir/$registry_name/client.cert"
    on client install -m 600 "$work/ca/client.key" "$dir/$registry_name/client.key"
  done
  on client mkdir -p "/etc/containerd/certs.d/$registry_name"
  printf 'server = "https://%s"\n[host."https://%s"]\nca = "%s"\nclient = [["%s", "%s"]]\n' "$registry_name" "$registry_name" \
    "/etc/docker/certs.d/$registry_name/ca.crt" "/etc/docker/certs.d/$registry_name/client.cert" \
    "/etc/docker/certs.d/$registry_name/client.key" >"$work/client/etc/containerd/certs.d/$registry_name/hosts.toml"
}

remove_certificate() {
  on client sh -c 'rm /etc/*/certs.d/'"$registry_name"'/client.*'
  sed -i '/^client/d' "$work/client/etc/containerd/certs.d/$registry_name/hosts.toml"
}

docker_without_certificate() {
  have dockerd "docker with a client certificate" && have docker "docker with a client certificate" || return 0
  check "dockerd starts" docker_start client --bridge=none --iptables=false
  check "an image to push" docker_image client nginx
  check "docker tag" on client docker tag nginx "$registry_name/alice/app:v1"
  refused "$readable" "docker push without a certificate is refused" docker_push client alice "$registry_name/alice/app:v1"
}

docker_with_certificate() {
  command -v dockerd >/dev/null && command -v docker >/dev/null || return 0
  check "docker push, without any login" docker_push client alice "$registry_name/alice/app:v1"
  check "docker rmi" docker_forget client "$registry_name/alice/app:v1" nginx
  check "docker pull brings the same digest" docker_pull_same client alice "$registry_name/alice/app:v1"
  check "docker tag" on client docker tag "$registry_name/alice/app:v1" "$registry_name/bob/app:v1"
  refused "$readable" "docker push of bob/app is refused, readably" docker_push client alice "$registry_name/bob/app:v1"
}

podman_with_certificate() {
  have podman "podman with a client certificate" || return 0
  head -c 1000000 /dev/urandom >"$work/client/blob"
  tar -C "$work/client" -cf "$work/client/podman.tar" blob
  check "podman import" on client podman import "$work/client/podman.tar" "$registry_name/alice/podman:v1"
  check "podman push" on client podman push "$registry_name/alice/podman:v1"
  check "podman rmi" on client podman rmi "$registry_name/alice/podman:v1"
  check "podman pull" on client podman pull "$registry_name/alice/podman:v1"
}

skopeo_with_certificate() {
  have skopeo "skopeo with a client certificate" || return 0
  check "skopeo copy from the registry" on client skopeo copy "docker://$registry_name/alice/app:v1" "dir:$work/client/skopeo"
  check "skopeo copy to the registry" on client skopeo copy "dir:$work/client/skopeo" "docker://$registry_name/alice/skopeo:v1"
}

containerd_with_certificate() {
  have containerd "containerd with a client certificate" && have ctr "containerd with a client certificate" || return 0
  check "containerd starts" containerd_start client
  check "ctr pull, by hosts.toml" ctr_by_hosts_toml images pull --snapshotter native "$registry_name/alice/app:v1"
  check "ctr tag" ctr_on client images tag "$registry_name/alice/app:v1" "$registry_name/alice/ctr:v1"
  check "ctr push, by hosts.toml" ctr_push_by_hosts_toml
  check "ctr pull, by docker's certs.d" ctr_on client images pull --hosts-dir /etc/docker/certs.d --snapshotter native \
    "$registry_name/alice/ctr:v1"
}

# ctr_by_hosts_toml images pull|push ARGUMENT...
ctr_by_hosts_toml() {
  local noun=$1 verb=$2
  shift 2
  ctr_on client "$noun" "$verb" --hosts-dir /etc/containerd/certs.d "$@"
}

ctr_push_by_hosts_toml() { ctr_by_hosts_toml images push "$registry_name/alice/ctr:v1"; }

# refused_everywhere WHEN PATTERN
refused_everywhere() {
  if command -v dockerd >/dev/null && command -v docker >/dev/null; then
    refused "$2" "$1, docker push is refused" docker_push client alice "$registry_name/alice/app:v1"
  fi
  ! command -v podman >/dev/null || refused "$2" "$1, podman pull is refused" on client podman pull "$registry_name/alice/podman:v1"
  ! command -v skopeo >/dev/null ||
    refused "$2" "$1, skopeo inspect is refused" on client skopeo inspect "docker://$registry_name/alice/app:v1"
  ! command -v ctr >/dev/null || refused "$2" "$1, ctr push is refused" ctr_push_by_hosts_toml
}
