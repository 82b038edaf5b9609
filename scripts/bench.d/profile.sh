# Sourced. Where our CPU time goes during one metric: a flame graph, and the functions that take most of it.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

inferno_version=0.12.8

# profile METRIC - measures it once under perf.
profile() {
  local metric=$1 recorder graph=$root/target/profile-$1.svg
  need perf:linux-perf
  inferno_make
  servers_prepare
  server_start ours
  push_image ours
  mkdir -p "$root/target"
  # What comes before it is not part of it.
  case $metric in
    first) large_push ours ;;
    pull | pull4 | range | http2) large_warm ours ;;
    pulls) small_push ours ;;
  esac
  perf record --quiet --freq 1999 --call-graph fp --pid "${pid[ours]}" --output "$work/perf.data" 2>"$work/perf.log" &
  recorder=$!
  sleep 0.5
  "measure_$metric" ours
  kill -INT "$recorder"
  wait "$recorder" || true
  cat "$figures"
  perf script --input "$work/perf.data" 2>/dev/null | "$bench_cache/bin/inferno-collapse-perf" >"$work/stacks" 2>/dev/null
  "$bench_cache/bin/inferno-flamegraph" --title "portcullis: $metric" "$work/stacks" >"$graph"
  printf '\nby function, without what it calls:\n'
  perf report --input "$work/perf.data" --no-children --percent-limit 1 --stdio --call-graph none 2>/dev/null | grep -v '^#' | grep -v '^$' |
    head -n 40 || true
  printf '\nthe flame graph is %s\n' "$graph"
}

inferno_make() {
  [[ ! -x $bench_cache/bin/inferno-flamegraph ]] || return 0
  cargo install inferno --version "$inferno_version" --locked --quiet --root "$bench_cache" >&2
}
