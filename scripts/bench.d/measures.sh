# Sourced. What is measured. Every measure appends one figure to $work/figures as "METRIC SERVER FIGURE".
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# measure_round ROUND - every metric on both sides, one right after the other, the order swapped each round.
measure_round() {
  local sides=(ours token) first
  (($1 % 2 == 1)) || sides=(token ours)
  servers_prepare
  for first in "${sides[@]}"; do
    measure_start "$first"
  done
  for first in "${sides[@]}"; do push_image "$first"; done
  for first in "${sides[@]}"; do measure_push_put "$first"; done
  for first in "${sides[@]}"; do measure_push_patch "$first"; done
  for first in "${sides[@]}"; do measure_pull "$first"; done
  for first in "${sides[@]}"; do record memory_mib "$first" "$(peak_mib "$first")"; done
  for first in "${sides[@]}"; do measure_manifests "$first"; done
  measure_connections "${sides[@]}"
  server_stop token
  server_start htpasswd
  push_image htpasswd
  for first in "${sides[@]/token/htpasswd}"; do measure_passwords "$first"; done
  servers_stop
}

record() { printf '%s %s %s\n' "$1" "$2" "$3" >>"$work/figures"; }

# Started twice: the first start of a program reads it from the disk.
measure_start() {
  server_start "$1"
  server_stop "$1"
  server_start "$1"
  record start_ms "$1" "$start_ms"
}

# push_image NAME - a config, a layer and a manifest: bench/app:latest.
push_image() {
  local name=$1 config=$work/config layer=$work/layer
  printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%064d"]}}' 0 >"$config"
  head -c 4096 /dev/zero >"$layer"
  insist_on_authorization "$name"
  authorization "$name" >"$work/$name.header"
  push_put "$name" "$config" "$(digest_of "$config")" >/dev/null
  push_put "$name" "$layer" "$(digest_of "$layer")" >/dev/null
  manifest "$config" "$layer" >"$work/manifest"
  request "$name" --request PUT --header "Content-Type: application/vnd.oci.image.manifest.v1+json" \
    --data-binary "@$work/manifest" "$(url "$name")/v2/bench/app/manifests/latest" >/dev/null
}

manifest() {
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"%s","digest":"%s","size":%d},"layers":[{"mediaType":"%s","digest":"%s","size":%d}]}' \
    application/vnd.oci.image.config.v1+json "$(digest_of "$1")" "$(stat -c %s "$1")" \
    application/vnd.oci.image.layer.v1.tar "$(digest_of "$2")" "$(stat -c %s "$2")"
}

digest_of() { printf 'sha256:%s' "$(sha256sum "$1" | cut -d ' ' -f 1)"; }

# request NAME CURL-ARGUMENTS... - one request with the server's authorization over HTTP/1.1, as docker's; the headers
# go to $work/headers, and the time that it took, in seconds, to stdout. Fails on a status of 400 or more.
request() {
  local name=$1
  shift
  curl --silent --show-error --fail --http1.1 --insecure --header "@$work/$name.header" --header 'Expect:' \
    --dump-header "$work/headers" --output /dev/null --write-out '%{time_total}\n' "$@"
}

# upload_location NAME - opens an upload session; its absolute URL, ready to append a query.
upload_location() {
  local location
  request "$1" --request POST --header 'Content-Length: 0' "$(url "$1")/v2/bench/app/blobs/uploads/" >/dev/null
  location=$(sed -n 's/^[Ll]ocation: \(.*\)\r$/\1/p' "$work/headers")
  [[ $location == https://* ]] || location=$(url "$1")$location
  [[ $location == *\?* ]] && printf '%s&' "$location" || printf '%s?' "$location"
}

# push_put NAME FILE DIGEST - one PUT with the whole body; seconds on stdout.
push_put() {
  request "$1" --upload-file "$2" --header 'Content-Type: application/octet-stream' "$(upload_location "$1")digest=$3"
}

# push_patch NAME FILE DIGEST - one streamed PATCH without a length, then the closing PUT, as docker does.
push_patch() {
  local location patched
  location=$(upload_location "$1")
  patched=$(request "$1" --request PATCH --upload-file - --header 'Content-Type: application/octet-stream' "${location%[?&]}" <"$2")
  location=$(sed -n 's/^[Ll]ocation: \(.*\)\r$/\1/p' "$work/headers")
  [[ $location == https://* ]] || location=$(url "$1")$location
  [[ $location == *\?* ]] && location+='&' || location+='?'
  awk -v a="$patched" -v b="$(request "$1" --request PUT --header 'Content-Length: 0' "${location}digest=$3")" 'BEGIN { print a + b }'
}

# fresh_blob - a blob that no server has seen; sets blob and blob_digest.
fresh_blob() {
  blob=$work/blob
  openssl enc -aes-128-ctr -pass "pass:$RANDOM$RANDOM$EPOCHREALTIME" -nosalt </dev/zero 2>/dev/null |
    head -c $((mebibytes * 1048576)) >"$blob" || true
  blob_digest=$(digest_of "$blob")
  sync
}

measure_push_put() {
  fresh_blob
  transfer put "$1" push_put "$1" "$blob" "$blob_digest"
}

measure_push_patch() {
  fresh_blob
  transfer patch "$1" push_patch "$1" "$blob" "$blob_digest"
  echo "$blob_digest" >"$work/$1.digest"
}

measure_pull() {
  sync
  transfer pull "$1" request "$1" "$(url "$1")/v2/bench/app/blobs/$(<"$work/$1.digest")"
}

# transfer METRIC NAME COMMAND... - records MB/s, the server's CPU seconds per GiB, and how busy curl itself was.
transfer() {
  local metric=$1 name=$2 before after taken TIMEFORMAT='%U %S'
  shift 2
  authorization "$name" >"$work/$name.header"
  before=$(cpu_seconds "$name")
  { time "$@" >"$work/taken"; } 2>"$work/client_cpu"
  after=$(cpu_seconds "$name")
  taken=$(<"$work/taken")
  record "$metric" "$name" "$(awk -v s="$taken" -v m="$mebibytes" 'BEGIN { print m * 1.048576 / s }')"
  record "${metric}_cpu" "$name" "$(awk -v a="$before" -v b="$after" -v m="$mebibytes" 'BEGIN { print (b - a) * 1024 / m }')"
  record "${metric}_client" "$name" "$(tail -n 1 "$work/client_cpu" | awk -v s="$taken" '{ print 100 * ($1 + $2) / s }')"
}

# cpu_seconds NAME - of the server's process and of its children that live.
cpu_seconds() {
  local process=${pid[$1]} children
  children=$(cat "/proc/$process/task"/*/children)
  for process in "$process" $children; do cat "/proc/$process/stat"; done |
    awk -v hz="$(getconf CLK_TCK)" '{ ticks += $14 + $15 } END { print ticks / hz }'
}

peak_mib() { awk '/^VmHWM:/ { print $2 / 1024 }' "/proc/${pid[$1]}/status"; }

measure_manifests() {
  load manifest "$1" "$(authorization "$1")"
}

measure_passwords() {
  load password "$1" "$(basic bench)"
  if [[ $1 == htpasswd ]]; then
    load cheap_password htpasswd "$(basic cheap)"
  else
    record cheap_password ours "$(awk '$1 == "password" && $2 == "ours" { x = $3 } END { print x }' "$work/figures")"
  fi
}

# load METRIC NAME HEADER - requests per second for the manifest by tag over 32 connections, the latency at p99,
# and the server's CPU time for each, in microseconds.
load() {
  local before after
  before=$(cpu_seconds "$2")
  wrk --threads 2 --connections 32 --duration "${load_seconds}s" --timeout 30s --latency --header "$3" \
    --header 'Accept: application/vnd.oci.image.manifest.v1+json' \
    "$(url "$2")/v2/bench/app/manifests/latest" >"$work/wrk"
  after=$(cpu_seconds "$2")
  if grep -q 'Non-2xx' "$work/wrk"; then
    cat "$work/wrk" >&2
    echo "bench: $2 refused requests of the $1 run" >&2
    exit 1
  fi
  record "$1" "$2" "$(awk '/^Requests\/sec:/ { print $2 }' "$work/wrk")"
  record "$1_cpu" "$2" "$(awk -v a="$before" -v b="$after" '/requests in/ { print 1000000 * (b - a) / $1 }' "$work/wrk")"
  record "$1_p99" "$2" "$(awk '$1 == "99%" { print $2 }' "$work/wrk" | milliseconds)"
}

milliseconds() { sed 's/us$/ 0.001/; s/ms$/ 1/; s/\([0-9]\)s$/\1 1000/' | awk '{ print $1 * $2 }'; }
