# Sourced. What is measured, and on which servers, one right after the other. Every measure appends a figure to $figures as
# "METRIC SERVER FIGURE".
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

# In the order in which they are measured.
all_metrics=(start put patch chunks first pull pull4 memory manifest password head blob range connections images1 images4 pulls http2)

record() { printf '%s %s %s\n' "$1" "$2" "$3" >>"$figures"; }

# serves NAME METRIC - whether a server takes part in a metric. docker-registry 2.8.2 does where it costs little time.
serves() {
  case $1/$2 in
    ours/* | postgresql/* | */start | */memory | before/password) ;;
    before/http2) false ;;
    before/*) ;;
    */password | */http2) false ;;
    debian/manifest | debian/put) ;;
    debian/*) false ;;
    nginx/put | nginx/patch | nginx/chunks | nginx/first | nginx/images* | nginx/pulls) false ;;
    probe/images* | probe/pulls) false ;;
  esac
}

# measure_round ROUND - every metric on all servers; each round begins with another of them.
measure_round() {
  local turn=() name metric shift=$((($1 - 1) % ${#servers[@]}))
  turn=("${servers[@]:shift}" "${servers[@]:0:shift}")
  servers_prepare
  for name in "${turn[@]}"; do
    server_start_measured "$name"
    push_image "$name"
  done
  for metric in "${all_metrics[@]}"; do
    [[ " ${metrics[*]} " == *" $metric "* && $metric != start ]] || continue
    for name in "${turn[@]}"; do
      if serves "$name" "$metric"; then "measure_$metric" "$name"; fi
    done
  done
  if [[ " ${metrics[*]} " == *' memory '* && " ${metrics[*]} " == *' manifest '* ]]; then
    for name in "${turn[@]}"; do record peak_small "$name" "$(memory_mib "$name" VmHWM)"; done
  fi
  servers_stop
}

# server_start_measured NAME - twice: the first start of a program reads it from the disk.
server_start_measured() {
  server_start "$1"
  if [[ " ${metrics[*]} " == *' start '* ]]; then
    server_stop "$1"
    server_start "$1"
    record start "$1" "$start_ms"
  fi
  [[ " ${metrics[*]} " != *' memory '* ]] || record idle "$1" "$(memory_mib "$1" VmRSS)"
}

# measure_memory NAME - the peak up to here, which is that of large pushes and pulls.
measure_memory() {
  record peak "$1" "$(memory_mib "$1" VmHWM)"
  memory_reset "$1"
}
