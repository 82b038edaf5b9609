# Sourced. Runs parts of a long check side by side: one line when each ends, and at the end what each printed, in the order in which
# they were started.
# shellcheck shell=bash

parts=()
parts_pids=()
parts_work=$(mktemp -d "${TMPDIR:-/tmp}/parts.XXXXXX")
trap parts_stop EXIT
trap 'exit 130' INT TERM

# part NAME [after OTHER] COMMAND... - starts a program in the background; with `after`, once that part has ended.
part() {
  local name=$1 after=
  shift
  if [[ $1 == after ]]; then
    after=$2
    shift 2
  fi
  parts+=("$name")
  part_run "$name" "$after" "$@" &
  parts_pids+=($!)
}

part_run() {
  local name=$1 after=$2 program='' began status=0
  shift 2
  trap '[[ -z $program ]] || kill -TERM -- "-$program" 2>/dev/null; wait; exit 130' TERM
  trap - EXIT
  [[ -z $after ]] || until [[ -e $parts_work/$after.status ]]; do sleep 0.2; done
  began=$SECONDS
  # A group of its own, so that stopping it stops what it has started.
  setsid "$@" >"$parts_work/$name.output" 2>&1 </dev/null &
  program=$!
  wait "$program" || status=$?
  printf '%-5s %s (%d s)\n' "$( ((status == 0)) && echo ok || echo FAIL)" "$name" $((SECONDS - began)) | tee "$parts_work/$name.line"
  echo "$status" >"$parts_work/$name.new"
  mv "$parts_work/$name.new" "$parts_work/$name.status"
}

# parts_end - waits for all parts, prints what each has printed, and fails if one has failed.
parts_end() {
  local name failed=0
  wait "${parts_pids[@]}"
  for name in "${parts[@]}"; do
    printf '\n== %s\n' "$name"
    cat "$parts_work/$name.output"
    [[ $(<"$parts_work/$name.status") == 0 ]] || failed=$((failed + 1))
  done
  printf '\n'
  for name in "${parts[@]}"; do cat "$parts_work/$name.line"; done
  parts=() parts_pids=()
  ((failed == 0))
}

parts_stop() {
  ((${#parts_pids[@]} == 0)) || kill -TERM "${parts_pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$parts_work"
}
