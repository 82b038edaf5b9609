# Sourced. Runs one check after the other and counts them: a line per check, the output of a check only where it failed.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

passed=0
failed=0
skipped=0
walk=

# check NAME COMMAND... - passes when the command succeeds. The command runs in a subshell under `set -e`.
check() {
  local name=$1 status
  shift
  set +e
  (
    set -e
    "$@"
  ) >"$work/output" 2>&1
  status=$?
  set -e
  report "$name" "$status"
}

# refused PATTERN NAME COMMAND... - passes when the command fails and says something that matches PATTERN.
refused() {
  local pattern=$1 name=$2
  shift 2
  check "$name" expect_refusal "$pattern" "$@"
}

expect_refusal() {
  local pattern=$1 said status=0
  shift
  said=$("$@" 2>&1) || status=$?
  printf '%s\n' "$said"
  if ((status == 0)); then
    echo "expected a refusal, but the command succeeded"
    return 1
  fi
  if ! grep -Eiq -- "$pattern" <<<"$said"; then
    echo "expected a refusal that matches: $pattern"
    return 1
  fi
}

report() {
  local name=$1 status=$2
  if ((status == 0)); then
    passed=$((passed + 1))
    printf 'ok   %s: %s\n' "$walk" "$name"
  else
    failed=$((failed + 1))
    printf 'FAIL %s: %s\n' "$walk" "$name"
    tail -n 15 "$work/output" | sed 's/^/       | /'
    server_said
  fi
}

# The last warnings of every server that runs, without which a failure in CI is hard to explain.
server_said() {
  local name log
  for name in "${hosts[@]}"; do
    log=$work/$name/log/portcullis
    [[ ! -s $log ]] || grep -E 'WARN|ERROR|panicked' "$log" | tail -n 3 | sed "s/^/       | $name portcullis: /" || true
  done
}

# skip NAME REASON - a check that cannot run here. In CI that is a failure.
skip() {
  if [[ ${CI:-} == true || ${CI:-} == 1 ]]; then
    echo "$2" >"$work/output"
    report "$1" 1
  else
    skipped=$((skipped + 1))
    printf 'skip %s: %s (%s)\n' "$walk" "$1" "$2"
  fi
}

# have PROGRAM NAME - whether the client is installed; where it is not, NAME is skipped (or failed, in CI).
have() {
  command -v "$1" >/dev/null && return 0
  skip "$2" "$1 is not installed"
  return 1
}

# has PATTERN FILE - the file has a line that matches; for use inside a check.
has() {
  grep -Eq -- "$1" "$2" || {
    echo "no line matches: $1"
    tail -n 20 "$2"
    return 1
  }
}

# same LEFT RIGHT - for use inside a check.
same() {
  [[ -n $1 && $1 == "$2" ]] || {
    printf 'differ:\n  %s\n  %s\n' "$1" "$2"
    return 1
  }
}

# within SECONDS COMMAND... - tries until the command succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

summary() {
  ((skipped == 0)) || printf '%d skipped\n' "$skipped"
  printf '%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0))
}
