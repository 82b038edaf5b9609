# Sourced. The processes of a cluster: each is known by a name, has its output in a file, and is stopped by its number.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

declare -A pid=() port=()

# ports_choose NAME... - one for each that is free at this moment.
ports_choose() {
  local name number
  while read -r name number; do port[$name]=$number; done < <(python3 - "$@" <<'PYTHON'
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in sys.argv[1:]]
for name, listener in zip(sys.argv[1:], sockets):
    print(name, listener.getsockname()[1])
PYTHON
  )
}

# start NAME COMMAND... - in the background; a group of its own, so that Ctrl-C reaches this script alone.
start() {
  local name=$1
  shift
  setsid "$@" >>"$work/$name.log" 2>&1 </dev/null &
  pid[$name]=$!
  # Or the shell would say of each that it was killed.
  disown
}

# within SECONDS COMMAND... - tries it until it succeeds.
within() {
  local until=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift
  until "$@" 2>/dev/null; do
    ((${EPOCHREALTIME/./} < until)) || return 1
    sleep 0.05
  done
}

# started NAME SECONDS COMMAND... - as within, and ends the script with the end of the log when it does not come up.
started() {
  local name=$1 seconds=$2
  shift 2
  within "$seconds" "$@" && return
  tail -n 8 "$work/$name.log" >&2
  echo "cluster: $name did not start" >&2
  exit 1
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/${port[$1]}") 2>/dev/null; }

alive() { [[ -n ${pid[$1]:-} ]] && kill -0 "${pid[$1]}" 2>/dev/null; }

# stop NAME [SIGNAL] - and waits until it is gone; SIGKILL after 60 s.
stop() {
  local name=$1 number=${pid[$1]:-}
  [[ -n $number ]] || return 0
  unset "pid[$name]"
  kill "-${2:-TERM}" "$number" 2>/dev/null || true
  within 60 gone "$number" || kill -KILL "$number" 2>/dev/null || true
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# cluster_stop - the nodes side by side first, then what they use.
cluster_stop() {
  local name
  for name in "${!pid[@]}"; do [[ $name != node* ]] || kill -TERM "${pid[$name]}" 2>/dev/null || true; done
  for name in "${!pid[@]}"; do [[ $name != node* ]] || stop "$name"; done
  for name in "${!pid[@]}"; do
    kill -CONT "${pid[$name]}" 2>/dev/null || true
    stop "$name" INT
  done
}

wait_for_interrupt() {
  trap 'exit 0' INT TERM
  # The shell handles the signal between two of these.
  while :; do sleep 1; done
}

# milliseconds_since TIME - of $EPOCHREALTIME.
milliseconds_since() { echo $(((${EPOCHREALTIME/./} - ${1/./}) / 1000)); }
