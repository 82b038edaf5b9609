# Sourced. Walk 3: from another host, by name, over a network. Every client refuses the registry's certificate at
# first; the one pinned line that `portcullis ca trust-command` printed makes all of them work, and neither the
# docker daemon's configuration nor its process changes.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

registry_name=registry.test:5000

walk3() {
  walk="walk 3"
  host_start server
  host_start client
  hosts_link server 10.213.7.1/30 client 10.213.7.2/30
  echo '10.213.7.1 registry.test' >>"$work/client/etc/hosts"
  check "serve --host registry.test --host 10.213.7.1" server_start server --host registry.test --host 10.213.7.1
  password=$(first_password server) || password=none
  docker_before_trust
  podman_before_trust
  containerd_before_trust
  check "the line that ca trust-command printed runs on the other host" run_the_pinned_line
  check "the same line once more changes nothing" run_the_pinned_line
  refused 'did NOT match' "a line with another pin is refused" run_a_wrong_pin
  docker_after_trust
  podman_after_trust
  skopeo_after_trust
  containerd_after_trust
  trust_with_the_program
  stolen_root
  hosts_stop
}

# run_the_pinned_line [OPTION] - for a bare host: nothing but a shell, curl and openssl is on the client.
run_the_pinned_line() {
  on server portcullis ca trust-command "$registry_name" "$@" >"$work/client/pinned.sh"
  run_on_client pinned.sh
}

# run_on_client FILE - by sh, in the host's own directory, where the line leaves the script that it fetched.
run_on_client() {
  cat "$work/client/$1"
  # shellcheck disable=SC2016 # the inner shell expands
  on client sh -c 'cd "$0" && exec sh "$1"' "$work/client" "$1"
}

# The same line with its pin reversed, for a CA that is not there yet.
run_a_wrong_pin() {
  local pin line
  line=$(<"$work/client/pinned.sh")
  pin=$(grep -Eio '[0-9a-f]{64}' <<<"$line" | head -n 1)
  printf '%s\n' "${line//$pin/$(rev <<<"$pin")}" >"$work/client/wrong.sh"
  run_on_client wrong.sh
}

docker_before_trust() {
  have dockerd "docker from another host" && have docker "docker from another host" || return 0
  check "dockerd starts on the other host" docker_start client --bridge=none --iptables=false
  check "an image to push" docker_image client nginx
  check "docker image tag nginx $registry_name/nginx:v1" on client docker tag nginx "$registry_name/nginx:v1"
  daemon_state >"$work/client/daemon.before" || true
  refused 'x509' "docker push fails with x509 at first" docker_push client operator "$registry_name/nginx:v1"
  refused 'x509' "docker login fails with x509 at first" docker_login client operator "$registry_name" admin "$password"
}

docker_after_trust() {
  [[ -e $work/client/daemon.before ]] || return 0
  the_docker_walk client "$registry_name" admin "$password"
  check "daemon.json was not touched, and the daemon's pid is the same" same "$(daemon_state)" "$(<"$work/client/daemon.before")"
}

daemon_state() {
  printf 'pid %s started %s\n' "$(daemon_pid client dockerd)" \
    "$(on client cut -d ' ' -f 22 "/proc/$(daemon_pid client dockerd)/stat")"
  on client sh -c 'sha256sum /etc/docker/daemon.json 2>/dev/null || echo no daemon.json'
}

podman_before_trust() {
  have podman "podman from another host" || return 0
  refused 'x509' "podman login fails with x509 at first" podman_login
}

podman_login() { on client podman login --username admin --password-stdin "$registry_name" <<<"$password"; }

podman_after_trust() {
  command -v podman >/dev/null || return 0
  check "podman login" podman_login
  check "podman push" podman_push
  check "podman pull brings the same digest" podman_pull_same
}

podman_push() {
  head -c 1000000 /dev/urandom >"$work/client/blob"
  tar -C "$work/client" -cf "$work/client/podman.tar" blob
  on client podman import "$work/client/podman.tar" "$registry_name/podman:v1"
  on client podman push --digestfile "$work/client/podman.digest" "$registry_name/podman:v1"
}

podman_pull_same() {
  on client podman rmi "$registry_name/podman:v1"
  on client podman pull "$registry_name/podman:v1"
  same "$(on client podman image inspect --format '{{.Digest}}' "$registry_name/podman:v1")" "$(<"$work/client/podman.digest")"
}

skopeo_after_trust() {
  have skopeo "skopeo from another host" || return 0
  local from=docker://$registry_name/podman:v1 to=docker://$registry_name/skopeo:v1
  check "skopeo login" skopeo_login
  check "skopeo inspect" on client skopeo inspect "$from"
  check "skopeo copy from the registry to a directory" on client skopeo copy "$from" "dir:$work/client/skopeo"
  check "skopeo copy from a directory to the registry" on client skopeo copy "dir:$work/client/skopeo" "$to"
  check "skopeo copy within the registry (mounts its blobs)" on client skopeo copy "$from" "${to/skopeo/mounted}"
  check "skopeo list-tags" on client skopeo list-tags "${to%:v1}"
  check "skopeo delete" on client skopeo delete "$to"
}

skopeo_login() { on client skopeo login --username admin --password-stdin "$registry_name" <<<"$password"; }

containerd_before_trust() {
  have containerd "ctr from another host" && have ctr "ctr from another host" || return 0
  check "containerd starts on the other host" containerd_start client
  on client mkdir -p /etc/docker/certs.d
  refused 'x509' "ctr pull fails with x509 at first" ctr images pull "${ctr_options[@]}" "$registry_name/nginx:v1"
}

ctr_options=(--hosts-dir /etc/docker/certs.d --snapshotter native)

ctr() { ctr_on client "$@"; }

containerd_after_trust() {
  command -v ctr >/dev/null || return 0
  local from=$registry_name/nginx:v1 to=$registry_name/ctr:v1
  check "ctr pull --hosts-dir" ctr images pull "${ctr_options[@]}" --user "admin:$password" "$from"
  check "ctr tag" ctr images tag "$from" "$to"
  check "ctr push --hosts-dir" ctr images push --hosts-dir /etc/docker/certs.d --user "admin:$password" "$to"
  check "ctr pull brings the same digest" ctr_pull_same "$from" "$to"
}

ctr_pull_same() {
  ctr images rm "$2"
  ctr images pull "${ctr_options[@]}" --user "admin:$password" "$2"
  same "$(ctr_digest client "$2")" "$(ctr_digest client "$1")"
}

# The same with the program itself on the other host, which takes it back without a trace.
trust_with_the_program() {
  local pin
  server_install client
  check "sh t --undo undoes what the line did" on client sh "$work/client/t" --undo
  clients_refuse "after sh t --undo"
  check "the long line, that fetches no script" run_the_pinned_line --self-contained
  check "skopeo login" skopeo_login
  check "what the long line wrote is removed by hand" remove_the_authority
  clients_refuse "without the CA"
  pin=$(on server portcullis ca show --json | jq -r .sha256)
  refused 'portcullis trust' "portcullis doctor $registry_name names what is missing" on client portcullis doctor "$registry_name"
  check "portcullis trust $registry_name --ca-sha256 ..." on client portcullis trust "$registry_name" --ca-sha256 "$pin"
  check "portcullis trust once more: unchanged" trust_is_unchanged "$pin"
  check "portcullis doctor $registry_name finds no problem" on client portcullis doctor "$registry_name"
  check "portcullis doctor on the server finds no problem" on server portcullis doctor
  refused 'pin|SHA-256|fingerprint' "portcullis trust with another pin is refused" \
    on client portcullis trust "$registry_name" --ca-sha256 "$(rev <<<"$pin")" --replace
  [[ ! -e $work/client/daemon.before ]] || check "docker push" docker_push client operator "$registry_name/nginx:v1"
  check "skopeo login" skopeo_login
  check "portcullis untrust $registry_name" on client portcullis untrust "$registry_name"
  clients_refuse "after untrust"
  check "nothing is left behind" nothing_is_left
}

remove_the_authority() {
  on client rm -r "/etc/docker/certs.d/$registry_name" "/etc/containers/certs.d/$registry_name"
  on client find /usr/local/share/ca-certificates -name 'portcullis-*' -delete
  on client update-ca-certificates
}

clients_refuse() {
  [[ ! -e $work/client/daemon.before ]] ||
    refused 'x509' "$1, docker push fails with x509" docker_push client operator "$registry_name/nginx:v1"
  ! command -v skopeo >/dev/null || refused 'x509' "$1, skopeo login fails with x509" skopeo_login
}

trust_is_unchanged() { on client portcullis trust "$registry_name" --ca-sha256 "$1" | tee /dev/stderr | grep -q unchanged; }

nothing_is_left() {
  ! on client find /etc/docker /etc/containers /var/lib/portcullis-trust -path "*$registry_name*" 2>/dev/null | grep .
}
