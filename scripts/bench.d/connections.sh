# Sourced. New TLS connections: each is a whole handshake (ab resumes no session) and one GET of the manifest with a token.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# connections_round ROUND - nothing but this metric.
connections_round() {
  local sides=(ours token) name
  (($1 % 2 == 1)) || sides=(token ours)
  servers_prepare
  for name in "${sides[@]}"; do
    server_start "$name"
    push_image "$name"
  done
  measure_connections "${sides[@]}"
  servers_stop
}

# measure_connections NAME... - of the servers that run, and of nginx.
measure_connections() {
  local name
  server_start nginx
  for name in "$@" nginx; do connections "$name"; done
  server_stop nginx
}

# connections NAME - per second, by two clients at once, and the server's CPU time for each, in milliseconds.
connections() {
  local name=$1 before after client clients=() count failures header=()
  [[ $name == nginx ]] || header=(-H "$(authorization "$name")")
  before=$(cpu_seconds "$name")
  for client in 1 2; do
    ab -q -t "$load_seconds" -n 10000000 -c 16 "${header[@]}" -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
      "$(url "$name")/v2/bench/app/manifests/latest" >"$work/ab.$client" 2>&1 &
    clients+=($!)
  done
  wait "${clients[@]}"
  after=$(cpu_seconds "$name")
  count=$(awk '/^Complete requests:/ { sum += $3 } END { print sum }' "$work"/ab.[12])
  failures=$(awk '/^(Failed requests|Non-2xx responses):/ { sum += $3 } END { print sum + 0 }' "$work"/ab.[12])
  if ((failures > 0)); then
    cat "$work"/ab.[12] >&2
    echo "bench: $failures of $count new connections to $name failed" >&2
    exit 1
  fi
  record connections "$name" "$(awk '/^Requests per second:/ { sum += $4 } END { print sum }' "$work"/ab.[12])"
  record connections_cpu "$name" "$(awk -v a="$before" -v b="$after" -v n="$count" 'BEGIN { print 1000 * (b - a) / n }')"
}

connections_lines() {
  ratio 'new TLS connections, req/s' connections token 2
  ratio '  the same next to nginx' connections nginx 1
}

connections_cost() {
  plain 'server CPU ms/new connection' connections_cpu token
  plain '  the same next to nginx' connections_cpu nginx
}

connections_table() {
  printf '%-34s %12s %16s %9s   %s\n' metric portcullis 'the other' ratio target
  connections_lines
  connections_cost
}
