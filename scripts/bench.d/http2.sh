# Sourced. The same load over HTTP/1.1 and over HTTP/2, by the same client: h2load for small requests, curl for a large blob, and curl
# through a relay that delays each direction by 25 ms and carries at most what TCP would (not every kernel has netem). HEAD is left out:
# h2load cannot send it over HTTP/1.1.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# measure_http2 NAME
measure_http2() {
  local protocol
  large_warm "$1"
  [[ -e $work/large ]] || "$transfer" make "$large_seed" "$mebibytes" >"$work/large"
  h2_load single manifest "$1" "$small_path" "$(authorization "$1")"
  for protocol in h1 h2; do
    h2_load "$protocol" manifest "$1" "$small_path" "$(authorization "$1")"
    h2_load "$protocol" password "$1" "$small_path" "$(basic bench)"
    h2_load "$protocol" blob "$1" "/v2/bench/app/blobs/$(digest_of "$work/layer")" "$(authorization "$1")"
    h2_load "$protocol" range "$1" "/v2/bench/app/blobs/$large_digest" "$(authorization "$1")" --header 'Range: bytes=1048576-1114111'
  done
  relay_start "$1"
  for protocol in h1 h2; do
    h2_transfer "$protocol" pull "$1"
    h2_transfer "$protocol" put "$1"
    h2_transfer "$protocol" far "$1"
  done
  server_stop relay
}

# h2_load PROTOCOL METRIC NAME PATH HEADER [H2LOAD-ARGUMENTS...] - 32 requests at a time: of 32 connections over HTTP/1.1, of 4 with 8
# streams each over HTTP/2; `single` is HTTP/2 with a stream on each of 32 connections, which clients of HTTP/2 do not do.
h2_load() {
  local protocol=$1 metric=$2 name=$3 path=$4 header=$5 before after arguments=()
  shift 5
  arguments=(--threads=2 --duration=$((load_seconds / 2)) --header "$header" --header 'Accept: application/vnd.oci.image.manifest.v1+json' "$@")
  case $protocol in
    h1) arguments+=(--h1 --clients=32) ;;
    h2) arguments+=(--clients=4 --max-concurrent-streams=8) ;;
    single) arguments+=(--clients=32 --max-concurrent-streams=1) ;;
  esac
  before=$(cpu_seconds "$name")
  h2load "${arguments[@]}" "$(url "$name")$path" >"$work/h2load" 2>&1
  after=$(cpu_seconds "$name")
  if ! grep -q ' 0 failed, 0 errored, 0 timeout' "$work/h2load" || ! grep -q ' 0 4xx, 0 5xx' "$work/h2load"; then
    cat "$work/h2load" >&2
    echo "bench: requests of $metric over $protocol failed" >&2
    exit 1
  fi
  record "${protocol}_$metric" "$name" "$(awk '/^finished in/ { print $4 }' "$work/h2load")"
  record "${protocol}_${metric}_cpu" "$name" \
    "$(awk -v a="$before" -v b="$after" '/^requests:/ { print 1000000 * (b - a) / $8 }' "$work/h2load")"
}

# relay_start NAME - a relay to this server; its port is that of `relay`.
relay_start() {
  "$client" relay -listen "127.0.0.1:${port[relay]}" -to "127.0.0.1:${port[$1]}" -delay 25ms &
  pid[relay]=$!
  until (exec 3<>"/dev/tcp/127.0.0.1/${port[relay]}") 2>/dev/null; do sleep 0.05; done
}

# h2_transfer PROTOCOL PULL|PUT|FAR NAME - MB/s and the server's CPU seconds per GiB; `far` is a PUT through the relay.
h2_transfer() {
  local protocol=$1 metric=$2 name=$3 before after seconds version=--http1.1 location at=$3
  [[ $protocol == h1 ]] || version=--http2
  [[ $metric != far ]] || at=relay
  authorization "$name" >"$work/$name.header"
  cp "$work/$name.header" "$work/relay.header"
  [[ $metric == pull ]] || location="$(upload_location "$at")digest=$large_digest"
  before=$(cpu_seconds "$name")
  if [[ $metric == pull ]]; then
    seconds=$(request "$name" "$version" --write-out '%{time_total}' "$(url "$name")/v2/bench/app/blobs/$large_digest")
  else
    seconds=$(request "$at" "$version" --write-out '%{time_total}' --upload-file "$work/large" \
      --header 'Content-Type: application/octet-stream' "$location")
  fi
  after=$(cpu_seconds "$name")
  record "${protocol}_$metric" "$name" "$(awk -v s="$seconds" -v m="$mebibytes" 'BEGIN { print m * 1.048576 / s }')"
  record "${protocol}_${metric}_cpu" "$name" "$(awk -v a="$before" -v b="$after" -v m="$mebibytes" 'BEGIN { print (b - a) * 1024 / m }')"
}
