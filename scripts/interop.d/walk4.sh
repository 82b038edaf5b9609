# Sourced. Walk 4: the registry in a container, from the image that scripts/image builds.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

walk4() {
  walk="walk 4"
  have dockerd "the registry in a container" && have docker "the registry in a container" || return 0
  host_start container
  check "dockerd starts" docker_start container
  check "scripts/image builds the image" build_image
  check "docker run -d -p 5000:5000 --name registry portcullis" run_container
  check "it runs as a user that is not root" container_is_not_root
  check "its health check turns healthy" within 40 container_is_healthy
  check "the one-time password is in its volume" container_password
  password=$(container_password 2>/dev/null || true)
  on container docker exec registry portcullis ca export >"$work/container/ca.pem" || true
  the_docker_walk container localhost:5000 admin "$password"
  the_catalog_walk container admin "$password"
  check "docker exec -i registry portcullis user add carol" container_user_add
  check "carol logs in" docker_login container carol localhost:5000 carol carols-own-password
  check "docker stop registry, with exit code 0 after a drain" container_stop
  check "docker start registry" container_start
  check "the CA is the same" container_ca_is_the_same
  check "docker login still works" docker_login container operator localhost:5000 admin "$password"
  docker_forget container localhost:5000/nginx:v1 >/dev/null 2>&1 || true
  check "docker pull brings the same digest" docker_pull_same container operator localhost:5000/nginx:v1
  the_catalog_walk container admin "$password"
  check "carol is still there" fetch container carol:carols-own-password /v2/
  check "docker rm registry" on container docker rm --force --volumes registry
  check "with a named volume: removed and run again, it is the same registry" container_is_replaceable
  check "with PORTCULLIS_HOSTS: the certificate holds for those names and addresses" container_names
  check "and for no others" container_has_no_other_name
  check "the line of ca trust-command, from the container, for its name" container_trust
  check "docker logs in, pushes and pulls by that name" container_by_name
  hosts_stop
}

build_image() { DOCKER_HOST=unix://$work/container/docker.sock "$root/scripts/image" portcullis; }

# run_container [OPTION...]
run_container() {
  on container docker run -d -p 5000:5000 --name registry "$@" portcullis
  within 15 server_ready container || {
    on container docker logs registry
    return 1
  }
}

container_is_not_root() {
  local pid
  pid=$(on container docker inspect --format '{{.State.Pid}}' registry)
  on container grep '^Uid:' "/proc/$pid/status" | tee /dev/stderr | grep -Eq '^Uid:\s+65532\s'
}

container_is_healthy() {
  on container docker inspect --format '{{.State.Health.Status}} {{json .State.Health.Log}}' registry | grep '^healthy'
}

container_password() {
  local path
  path=$(on container docker logs registry 2>&1 | grep -Eo '/var/lib/portcullis/[A-Za-z0-9._/-]*password[A-Za-z0-9._-]*' | head -n 1)
  on container docker cp "registry:$path" - | tar -xO | awk 'NR == 1 { print $NF }'
}

container_user_add() {
  on container docker exec -i registry portcullis user add carol --password-stdin <<<carols-own-password
}

container_stop() {
  on container docker stop registry
  same "$(on container docker inspect --format '{{.State.ExitCode}}' registry)" 0
}

container_start() {
  on container docker start registry
  within 15 server_ready container
}

container_is_replaceable() {
  local before
  run_container --volume registry:/var/lib/portcullis --env PORTCULLIS_HOSTS=registry.test
  before=$(on container docker exec registry portcullis ca export)
  on container docker rm --force registry
  run_container --volume registry:/var/lib/portcullis --env PORTCULLIS_HOSTS=registry.test
  same "$(on container docker exec registry portcullis ca export)" "$before"
  on container docker rm --force registry
}

container_ca_is_the_same() {
  same "$(on container docker exec registry portcullis ca export)" "$(<"$work/container/ca.pem")"
  same "$(status_of container https://localhost:5000/health/live)" 200
}

container_names() {
  run_container --env PORTCULLIS_HOSTS=registry.test,10.9.8.7
  on container docker exec registry portcullis ca export >"$work/container/named.pem"
  container_verifies -verify_hostname registry.test
  container_verifies -verify_ip 10.9.8.7
  container_verifies -verify_hostname localhost
}

container_has_no_other_name() {
  expect_refusal 'hostname mismatch' container_verifies -verify_hostname other.test
  expect_refusal 'IP address mismatch' container_verifies -verify_ip 10.9.8.8
}

container_verifies() {
  on container openssl s_client -connect localhost:5000 -servername registry.test -CAfile "$work/container/named.pem" \
    -verify_return_error "$@" </dev/null
}

# The container's own address on docker's bridge is none that docker takes for insecure.
container_trust() {
  local address
  address=$(on container docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' registry)
  echo "$address registry.test" >>"$work/container/etc/hosts"
  on container docker exec registry portcullis ca trust-command "$registry_name" >"$work/container/trust.sh"
  # shellcheck disable=SC2016 # the inner shell expands
  on container sh -c 'cd "$0" && exec sh trust.sh' "$work/container"
}

container_by_name() {
  password=$(container_password)
  # The daemon remembers /etc/hosts for 5 s (Go's resolver), and the name has just been written there.
  within 15 docker_login container operator "$registry_name" admin "$password"
  on container docker tag localhost:5000/nginx:v1 "$registry_name/nginx:v1"
  docker_push container operator "$registry_name/nginx:v1"
  on container docker rmi --force "$registry_name/nginx:v1" localhost:5000/nginx:v1
  docker_pull_same container operator "$registry_name/nginx:v1"
}
