# Sourced. Walk 1: `portcullis serve` on an empty data directory ends with a running HTTPS registry, its CA, its
# certificate, an administrator and the one-time password, and says what to type next.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

walk1() {
  walk="walk 1"
  host_start first
  check "serve on an empty data directory answers over HTTPS" server_start first
  check "liveness and readiness" healthy first
  check "the one-time password is in a 0600 file, its path in the log" password_file_is_private first
  check "the password itself is not in the log" password_is_not_logged first
  check "no key or database is readable by others" nothing_is_readable_by_others first
  check "ca export prints one CA certificate" ca_is_a_ca first
  check "the certificate for localhost verifies with the CA alone" certificate_verifies first localhost
  check "the certificate lasts 90 days and comes with its issuer" certificate_is_short_lived first
  check "no credentials: 401 with a challenge" unauthenticated_is_challenged first
  check "the administrator logs in with the one-time password" password_opens first
  refused 'already initiali[sz]ed' "init is refused on this data directory" on first portcullis init
  check "SIGTERM ends the server with 0" daemon_stop first portcullis
  check "a second start keeps the CA and the administrator" second_start_keeps first

  host_start banner
  server_install banner
  check "the banner on a terminal: certificate, administrator, lines to type next" banner_on_a_terminal banner
  hosts_stop
}

healthy() {
  same "$(status_of "$1" https://localhost:5000/health/live)" 200
  same "$(status_of "$1" https://localhost:5000/health/ready)" 200
}

password_file_is_private() {
  local file
  file=$(first_password_file "$1")
  ls -l "$file"
  same "$(stat -c %a "$file")" 600
  [[ -n $(first_password "$1") ]]
}

password_is_not_logged() { ! grep -F -- "$(first_password "$1")" "$work/$1/log/portcullis"; }

nothing_is_readable_by_others() {
  local open
  open=$(find "$work/$1/data" -type f \( -name '*key*' -o -name '*.db*' -o -name '*.sqlite*' -o -name '*password*' \) -perm /077)
  [[ -z $open ]] || {
    echo "$open"
    return 1
  }
}

ca_is_a_ca() {
  openssl x509 -in "$(ca_file "$1")" -noout -ext basicConstraints | tee /dev/stderr | grep -q 'CA:TRUE'
  same "$(grep -c 'BEGIN CERTIFICATE' "$(ca_file "$1")")" 1
}

# A full check of chain and name, which loopback clients would not make.
certificate_verifies() {
  on "$1" sh -c "openssl s_client -connect $2:5000 -servername $2 -CAfile '$(ca_file "$1")' \
    -verify_hostname $2 -verify_return_error -showcerts </dev/null >'$work/$1/chain' 2>&1"
  has 'Verify return code: 0' "$work/$1/chain"
}

certificate_is_short_lived() {
  same "$(grep -c 'BEGIN CERTIFICATE' "$work/$1/chain")" 2
  openssl x509 -in "$work/$1/chain" -noout -dates
  openssl x509 -in "$work/$1/chain" -noout -checkend $((89 * 86400))
  ! openssl x509 -in "$work/$1/chain" -noout -checkend $((91 * 86400))
}

unauthenticated_is_challenged() {
  on "$1" curl --silent --include --cacert "$(ca_file "$1")" https://localhost:5000/v2/ >"$work/$1/challenge"
  has '^HTTP/[0-9.]+ 401' "$work/$1/challenge"
  has '^[Ww][Ww][Ww]-[Aa]uthenticate: Bearer realm="https://localhost:5000/auth/token",service="' "$work/$1/challenge"
}

password_opens() { fetch "$1" "admin:$(first_password "$1")" /v2/; }

second_start_keeps() {
  local before password
  before=$(<"$(ca_file "$1")") password=$(first_password "$1")
  server_start "$1"
  same "$(on "$1" portcullis ca export)" "$before"
  fetch "$1" "admin:$password" /v2/
}

banner_on_a_terminal() {
  # shellcheck disable=SC2016 # the inner shell expands
  on "$1" timeout --foreground 30 script -qec \
    'portcullis serve & until curl -skf -o /dev/null https://localhost:5000/health/ready; do sleep 0.1; done; sleep 0.5; kill $!; wait' \
    "$work/$1/banner" >/dev/null </dev/null
  has 'Portcullis .* serves https://' "$work/$1/banner"
  has 'certificate .*localhost.*until [0-9-]+.*CA SHA-256' "$work/$1/banner"
  has 'administrator.* admin.*password' "$work/$1/banner"
  has 'docker login localhost:5000' "$work/$1/banner"
  has 'other hosts .*' "$work/$1/banner"
}
