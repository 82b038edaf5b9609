# Sourced. The portcullis server on a host, and what its operator types there.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# server_install HOST - puts the binary on the host's PATH.
server_install() { ln -f "$binary" "$work/$1/bin/portcullis" 2>/dev/null || cp "$binary" "$work/$1/bin/portcullis"; }

# server_start HOST [OPTION...] - `portcullis serve` on port 5000, ready when it returns.
server_start() {
  local name=$1
  shift
  [[ -e $work/$name/bin/portcullis ]] || server_install "$name"
  daemon_start "$name" portcullis portcullis serve "$@"
  within 15 server_ready "$name" || {
    tail -n 5 "$work/$name/log/portcullis" >&2
    echo "interop: portcullis did not start on $name" >&2
    return 1
  }
}

server_ready() {
  [[ $(on "$1" curl --silent --insecure --output /dev/null --write-out '%{http_code}' https://localhost:5000/v2/) == 401 ]]
}

# first_password_file HOST - the file of the one-time password: its path is in the log, its content is not.
first_password_file() {
  grep -Eo "$work/$1/data/[A-Za-z0-9._/-]*password[A-Za-z0-9._-]*" "$work/$1/log/portcullis" | head -n 1
}

# first_password HOST - the administrator's one-time password, the last word of the file's first line.
first_password() { awk 'NR == 1 { print $NF }' "$(first_password_file "$1")"; }

# ca_file HOST - the CA, as `portcullis ca export` prints it, in a file.
ca_file() {
  [[ -s $work/$1/ca.pem ]] || on "$1" portcullis ca export >"$work/$1/ca.pem"
  printf '%s\n' "$work/$1/ca.pem"
}

# fetch HOST USER:PASSWORD PATH - GET with credentials and the CA; the body on stdout.
fetch() {
  on "$1" curl --silent --show-error --fail-with-body --cacert "$(ca_file "$1")" --user "$2" "https://localhost:5000$3"
}

# status_of HOST CURL-ARGUMENTS... - the status of an answer.
status_of() {
  local name=$1
  shift
  on "$name" curl --silent --output /dev/null --write-out '%{http_code}' --cacert "$(ca_file "$name")" "$@"
}

# user_add HOST NAME PASSWORD [OPTION...]
user_add() {
  local name=$1 user=$2 password=$3
  shift 3
  on "$name" portcullis user add "$user" --password-stdin "$@" <<<"$password"
}

# the_catalog_walk HOST USER PASSWORD - what curl shows of what docker pushed.
the_catalog_walk() {
  check "curl --cacert -u .../v2/_catalog lists nginx" catalog_lists "$1" "$2:$3"
  check "curl --cacert -u .../v2/nginx/tags/list lists v1" tags_list "$1" "$2:$3"
}

catalog_lists() { fetch "$1" "$2" /v2/_catalog | tee /dev/stderr | jq -e '.repositories | index("nginx") != null'; }

tags_list() { fetch "$1" "$2" /v2/nginx/tags/list | tee /dev/stderr | jq -e '.name == "nginx" and .tags == ["v1"]'; }
