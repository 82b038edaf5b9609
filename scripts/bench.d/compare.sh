# Sourced. This tree next to an older portcullis, which serves as `before`: what a change costs, in one run on one machine.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# The least that a line may have of the older binary's figure.
least=0.97

# compare_round ROUND - every metric on both sides, one right after the other, the order swapped each round.
compare_round() {
  local sides=(ours before) name
  (($1 % 2 == 1)) || sides=(before ours)
  servers_prepare
  for name in "${sides[@]}"; do measure_start "$name"; done
  for name in "${sides[@]}"; do push_image "$name"; done
  for name in "${sides[@]}"; do measure_push_put "$name"; done
  for name in "${sides[@]}"; do measure_push_patch "$name"; done
  for name in "${sides[@]}"; do measure_pull "$name"; done
  for name in "${sides[@]}"; do measure_manifests "$name"; done
  for name in "${sides[@]}"; do load password "$name" "$(basic bench)"; done
  for name in "${sides[@]}"; do connections "$name"; done
  servers_stop
}

# compare - the rounds and the table; fails when a line is below $least.
compare() {
  local round
  for ((round = 1; round <= rounds; round++)); do compare_round "$round"; done
  printf '%-34s %12s %12s %9s %16s\n' metric new old ratio 'CPU ratio'
  compare_line 'blob push, one PUT, MB/s' put
  compare_line 'blob push, streamed PATCH, MB/s' patch
  compare_line 'blob pull, MB/s' pull
  compare_line 'manifest GET with a token, req/s' manifest
  compare_line 'manifest GET with a password, req/s' password
  compare_line 'new TLS connections, req/s' connections
  ((missed == 0))
}

# compare_line TITLE METRIC - the medians, the ratio of new to old, and the same of the server's CPU time for each unit of work.
compare_line() {
  local new old cpu outcome=
  new=$(median "$2" ours) old=$(median "$2" before)
  cpu=$(awk -v a="$(median "$2_cpu" ours)" -v b="$(median "$2_cpu" before)" 'BEGIN { if (b > 0) printf "%.2fx", a / b; else print "-" }')
  if awk -v a="$new" -v b="$old" -v l="$least" 'BEGIN { exit !(a < l * b) }'; then
    outcome="BELOW ${least}x"
    missed=$((missed + 1))
  fi
  awk -v title="$1" -v a="$new" -v b="$old" -v cpu="$cpu" -v outcome="$outcome" 'BEGIN {
    printf "%-34s %12.0f %12.0f %8.2fx %16s  %s\n", title, a, b, a / b, cpu, outcome }' | sed 's/ *$//'
}
