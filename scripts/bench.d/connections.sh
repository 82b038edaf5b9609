# Sourced. New TLS connections, and HEAD by ab, because wrk and h2load cannot send it over HTTP/1.1.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# measure_connections NAME - per second, each with a whole handshake for one GET of the manifest, and the server's CPU time for each, in
# microseconds.
measure_connections() {
  local before after rate count busy
  before=$(cpu_seconds "$1")
  read -r rate count busy < <("$client" connect -url "$(url "$1")" -path "$small_path" -header "$(authorization "$1")" \
    -clients 32 -duration "${load_seconds}s")
  after=$(cpu_seconds "$1")
  record connections "$1" "$rate"
  record connections_cpu "$1" "$(awk -v a="$before" -v b="$after" -v n="$count" 'BEGIN { print 1000000 * (b - a) / n }')"
}

# measure_head NAME - per second, by two clients of 16 connections, and the server's CPU time for each, in microseconds.
measure_head() {
  local before after number clients=() header=() failures
  header=(-H "$(authorization "$1")")
  [[ ${header[1]} ]] || header=()
  before=$(cpu_seconds "$1")
  for number in 1 2; do
    ab -q -k -i -t "$load_seconds" -n 10000000 -c 16 "${header[@]}" -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
      "$(url "$1")$small_path" >"$work/ab.$number" 2>&1 &
    clients+=($!)
  done
  wait "${clients[@]}"
  after=$(cpu_seconds "$1")
  failures=$(awk '/^(Failed requests|Non-2xx responses):/ { sum += $3 } END { print sum + 0 }' "$work"/ab.[12])
  if ((failures > 0)); then
    cat "$work"/ab.[12] >&2
    echo "bench: $failures HEAD requests to $1 failed" >&2
    exit 1
  fi
  record head "$1" "$(awk '/^Requests per second:/ { sum += $4 } END { print sum }' "$work"/ab.[12])"
  record head_cpu "$1" "$(awk -v a="$before" -v b="$after" '/^Complete requests:/ { sum += $3 } END { print 1000000 * (b - a) / sum }' "$work"/ab.[12])"
}
