# Sourced. What ab measures: new TLS connections, each a whole handshake (ab resumes no session) with one GET of the manifest; and HEAD,
# which wrk and h2load cannot send over HTTP/1.1.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

measure_connections() { ab_load connections "$1"; }
measure_head() { ab_load head "$1" -k -i; }

# ab_load METRIC NAME AB-ARGUMENTS... - per second, by two clients of 16 connections, and the server's CPU time for each, in
# microseconds.
ab_load() {
  local metric=$1 name=$2 before after number clients=() header=()
  shift 2
  header=("$(authorization "$name")")
  if [[ -n ${header[0]} ]]; then header=(-H "${header[0]}"); else header=(); fi
  before=$(cpu_seconds "$name")
  for number in 1 2; do
    ab -q -t "$load_seconds" -n 10000000 -c 16 "$@" "${header[@]}" -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
      "$(url "$name")$small_path" >"$work/ab.$number" 2>&1 &
    clients+=($!)
  done
  wait "${clients[@]}"
  after=$(cpu_seconds "$name")
  ab_answers_are_good "$metric" "$name"
  record "$metric" "$name" "$(awk '/^Requests per second:/ { sum += $4 } END { print sum }' "$work"/ab.[12])"
  record "${metric}_cpu" "$name" "$(awk -v a="$before" -v b="$after" '/^Complete requests:/ { sum += $3 } END { print 1000000 * (b - a) / sum }' \
    "$work"/ab.[12])"
}

# ab_answers_are_good METRIC NAME
ab_answers_are_good() {
  local failures
  failures=$(awk '/^(Failed requests|Non-2xx responses):/ { sum += $3 } END { print sum + 0 }' "$work"/ab.[12])
  if ((failures > 0)); then
    cat "$work"/ab.[12] >&2
    echo "bench: $failures requests to $2 failed in $1" >&2
    exit 1
  fi
}
