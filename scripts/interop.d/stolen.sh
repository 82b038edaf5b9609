# Sourced. A thief has the registry's CA, keys and all, and a host that trusts it. What they sign for the registry's own
# name is accepted, and for any other name refused, by OpenSSL (curl) and by Go (skopeo).
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

stolen_root() {
  local loot=$work/client/loot
  mkdir -p "$loot"
  cp "$work/server/data/ca/"{root.pem,root.key,issuing.pem,issuing.key} "$loot/"
  install -D -m 644 "$loot/root.pem" "$work/client/stolen/ca.crt"
  echo '127.0.0.1 bank.test below.registry.test' >>"$work/client/etc/hosts"
  thief_serves below.registry.test issuing
  check "what a stolen CA signs for a name below the registry's: curl connects" thief_is_reached_by_curl below.registry.test
  check "what a stolen CA signs for a name below the registry's: skopeo connects" thief_is_reached_by_skopeo below.registry.test
  for signer in issuing root; do
    thief_serves bank.test "$signer"
    refused 'permitted subtree violation|certificate problem' "for another name, signed with the stolen $signer key: curl refuses" \
      thief_is_reached_by_curl bank.test
    refused 'x509: .*(not permitted|constraint)' "for another name, signed with the stolen $signer key: skopeo refuses" \
      on client skopeo inspect --cert-dir "$work/client/stolen" docker://bank.test:5443/any/thing
  done
}

# thief_serves NAME SIGNER - a server on the client's own host with a fresh certificate for the name.
thief_serves() {
  local loot=$work/client/loot
  [[ ! -e $work/client/thief.daemon ]] || daemon_stop client thief >/dev/null || true
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=thief" -keyout "$loot/leaf.key" -out "$loot/leaf.csr" 2>/dev/null
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$1" >"$loot/extensions"
  openssl x509 -req -in "$loot/leaf.csr" -CA "$loot/$2.pem" -CAkey "$loot/$2.key" -set_serial "$RANDOM" -days 2 \
    -extfile "$loot/extensions" -out "$loot/leaf.pem" 2>/dev/null
  daemon_start client thief openssl s_server -accept 5443 -cert "$loot/leaf.pem" -key "$loot/leaf.key" -cert_chain "$loot/issuing.pem" -www
  within 5 thief_listens
}

thief_listens() { on client bash -c 'exec 3<>/dev/tcp/127.0.0.1/5443' 2>/dev/null; }

thief_is_reached_by_curl() {
  on client curl --silent --show-error --output /dev/null --cacert "$work/client/stolen/ca.crt" --resolve "$1:5443:127.0.0.1" "https://$1:5443/"
}

# No registry is behind it: skopeo gets as far as a page that is not a manifest.
thief_is_reached_by_skopeo() {
  local said
  said=$(on client skopeo inspect --cert-dir "$work/client/stolen" "docker://$1:5443/any/thing" 2>&1) && return 1
  printf '%s\n' "$said"
  grep -q 'parsing manifest' <<<"$said"
}
