# Sourced. The examples in config/cluster and config/kubernetes: each is read by what will read it.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

bound_examples() {
  local reader=$work/manifests examples=$root/config/cluster
  need docker-compose:docker-compose haproxy:haproxy openssl:openssl
  (cd "$here/manifests" && CGO_ENABLED=0 GOFLAGS=-modcacherw go build -o "$reader" .)
  reads "config/kubernetes/portcullis.yaml" "$reader" "$root/config/kubernetes/portcullis.yaml"
  reads "config/cluster/kubernetes.yaml" "$reader" "$examples/kubernetes.yaml"
  "$reader" "$examples/kubernetes.yaml" >"$work/kubernetes.toml"
  reads "... the configuration in it" config_checks "$work/kubernetes.toml"
  reads "config/cluster/portcullis.toml" config_checks "$examples/portcullis.toml"
  cp -r "$examples" "$work/examples"
  mkdir -p "$work/examples/secrets" && touch "$work/examples/secrets"/{key,database-password,s3-access-key,s3-secret-key}
  reads "config/cluster/compose.yaml" docker-compose --file "$work/examples/compose.yaml" config
  # Its names are known to docker alone.
  sed 's/^  server \(node.\) [^ ]*/  server \1 127.0.0.1:1/; /^resolvers/,$d; s/ resolvers docker init-addr libc,none//' \
    "$examples/haproxy.cfg" >"$work/examples.cfg"
  reads "config/cluster/haproxy.cfg" haproxy -c -f "$work/examples.cfg"
}

# reads NAME COMMAND... - a line that says whether it succeeds; what it prints only if it does not.
reads() {
  local name=$1 status=0
  shift
  "$@" >"$work/reads" 2>&1 || status=1
  figure "$name" "status == 0"
  ((status == 0)) || tail -n 5 "$work/reads"
}

# The files that it names are the operator's: the example is right without them.
config_checks() { "$binary" --config "$1" config check; }
