# Sourced. Large blobs, up and down, by a client whose own share of the CPU is recorded (bench.d/probe/src/bin/transfer.rs).
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# The seed of the blob that is pulled; `put` pushes it.
large_seed=1

declare -A digest_by_seed=()

# large_make - what nginx serves, and the digests of all that is pushed.
large_make() {
  local seed
  for seed in "$large_seed" 2 3; do digest_by_seed[$seed]=$("$transfer" digest "$seed" "$mebibytes"); done
  large_digest=${digest_by_seed[$large_seed]}
  if [[ " ${servers[*]} " == *' nginx '* ]]; then
    "$transfer" make "$large_seed" "$mebibytes" >"$work/large"
    sync
  fi
}

measure_put() { transfer put "$1" "$large_seed"; }
measure_patch() { transfer patch "$1" 2; }
measure_chunks() { transfer chunks "$1" 3; }

# The first pull after a push may have to read from the disk, what is measured next does not.
measure_first() {
  large_push "$1"
  sync
  transfer pull "$1" "$large_seed" 1 first
}

measure_pull() {
  large_warm "$1"
  transfer pull "$1" "$large_seed"
}

measure_pull4() {
  large_warm "$1"
  transfer pull "$1" "$large_seed" 4 pull4
}

# large_push NAME - the blob that is pulled, unless the server has it.
large_push() {
  if [[ -e $work/$1.large ]]; then return; fi
  if [[ $1 == nginx ]]; then
    mkdir -p "$work/nginx/v2/bench/app/blobs"
    ln -f "$work/large" "$work/nginx/v2/bench/app/blobs/$large_digest"
  else
    transfer_once put "$1" "$large_seed" 1 >/dev/null
  fi
  touch "$work/$1.large"
}

# large_warm NAME - the same, and in the page cache.
large_warm() {
  if [[ -e $work/$1.warm ]]; then return; fi
  large_push "$1"
  transfer_once pull "$1" "$large_seed" 1 >/dev/null
  touch "$work/$1.warm"
}

# transfer_once WAY NAME SEED STREAMS - prints seconds, and the client's CPU seconds.
transfer_once() {
  "$transfer" "$1" "${port[$2]}" "$work/tls.pem" "$(authorization "$2")" bench/app "$3" "$mebibytes" \
    "${digest_by_seed[$3]}" "$4"
}

# transfer WAY NAME SEED [STREAMS] [METRIC] - records MB/s, the server's CPU seconds per GiB, and how busy the client was, in per cent of
# a core for each stream.
transfer() {
  local way=$1 name=$2 seed=$3 streams=${4:-1} metric=${5:-$1} before after seconds busy
  [[ $way == pull ]] || sync
  before=$(cpu_seconds "$name")
  read -r seconds busy < <(transfer_once "$way" "$name" "$seed" "$streams")
  after=$(cpu_seconds "$name")
  [[ $way != put ]] || touch "$work/$name.large"
  record "$metric" "$name" "$(awk -v s="$seconds" -v m="$((mebibytes * streams))" 'BEGIN { print m * 1.048576 / s }')"
  record "${metric}_cpu" "$name" "$(awk -v a="$before" -v b="$after" -v m="$((mebibytes * streams))" 'BEGIN { print (b - a) * 1024 / m }')"
  record "${metric}_client" "$name" "$(awk -v s="$seconds" -v c="$busy" -v n="$streams" 'BEGIN { print 100 * c / s / n }')"
}
