# Sourced. Small requests over 32 connections that are kept alive, by wrk.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

small_path=/v2/bench/app/manifests/latest

measure_manifest() { load manifest "$1" "$small_path" "$(authorization "$1")"; }
measure_password() { load password "$1" "$small_path" "$(basic bench)"; }
measure_blob() { load blob "$1" "/v2/bench/app/blobs/$(digest_of "$work/layer")" "$(authorization "$1")"; }

measure_range() {
  large_warm "$1"
  load range "$1" "/v2/bench/app/blobs/$large_digest" "$(authorization "$1")" range.lua
}

# scripts_make - what wrk needs for anything but a plain GET.
scripts_make() {
  cat >"$work/range.lua" <<LUA
local requests, at = {}, 0
local first = 0
function setup(thread) thread:set("number", first); first = first + 1 end
function init()
  math.randomseed(number + 7)
  for i = 1, 4096 do
    local from = math.random(0, $mebibytes * 1048576 - 65536)
    wrk.headers["Range"] = "bytes=" .. from .. "-" .. (from + 65535)
    requests[i] = wrk.format()
  end
end
function request() at = at % #requests + 1; return requests[at] end
LUA
}

# load METRIC NAME PATH HEADER [SCRIPT] - requests per second, the latency at p99 in milliseconds, and the server's CPU time for each
# request, in microseconds.
load() {
  local metric=$1 name=$2 before after header=() script=()
  [[ -z $4 ]] || header=(--header "$4")
  [[ -z ${5:-} ]] || script=(--script "$work/$5")
  before=$(cpu_seconds "$name")
  wrk --threads 2 --connections 32 --duration "${load_seconds}s" --timeout 30s --latency "${header[@]}" "${script[@]}" \
    --header 'Accept: application/vnd.oci.image.manifest.v1+json' "$(url "$name")$3" >"$work/wrk"
  after=$(cpu_seconds "$name")
  if grep -Eq 'Non-2xx|Socket errors' "$work/wrk"; then
    cat "$work/wrk" >&2
    echo "bench: $name refused requests of the $metric run" >&2
    exit 1
  fi
  record "$metric" "$name" "$(awk '/^Requests\/sec:/ { print $2 }' "$work/wrk")"
  record "${metric}_cpu" "$name" "$(awk -v a="$before" -v b="$after" '/requests in/ { print 1000000 * (b - a) / $1 }' "$work/wrk")"
  record "${metric}_p99" "$name" "$(awk '$1 == "99%" { print $2 }' "$work/wrk" | milliseconds)"
}

milliseconds() { sed 's/us$/ 0.001/; s/ms$/ 1/; s/\([0-9]\)s$/\1 1000/' | awk '{ print $1 * $2 }'; }
