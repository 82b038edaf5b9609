# Sourced. Hosts: each is a network, mount and pid namespace with its own /etc, /run, /root and data, so that no
# file, port, route, firewall rule or process of the machine is touched, and all of it goes when the host's init goes.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

hosts=()

# host_start NAME - a host with a loopback interface and nothing else.
host_start() {
  local name=$1 dir=$work/$1 unshare_pid
  # Nothing is left of a host of the same name in an earlier walk.
  rm -rf --one-file-system "$dir"
  mkdir -p "$dir"/{etc,home,bin,data,log}
  cp -a /etc/. "$dir/etc/"
  rm -rf "$dir"/etc/{docker,containers/certs.d,containerd,portcullis}
  mkdir -p "$dir/etc/docker"
  # Everyone there is root, and sudo need not be installed.
  printf '#!/bin/sh\nexec "$@"\n' | install -m 755 /dev/stdin "$dir/bin/sudo"
  printf '127.0.0.1 localhost %s\n::1 localhost\n' "$name" | install -m 644 /dev/stdin "$dir/etc/hosts"
  storage_conf "$dir" >"$dir/etc/containers/storage.conf"
  # Whatever ends this script, also SIGKILL, ends the namespaces with it.
  setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc \
    bash "$here/init.sh" "$dir" >"$dir/log/init" 2>&1 &
  unshare_pid=$!
  disown
  echo "$unshare_pid" >"$dir/unshare.pid"
  hosts+=("$name")
  within 10 test -e "$dir/ready" || {
    cat "$dir/log/init" >&2
    echo "interop: the namespaces of $name did not start (root is needed)" >&2
    exit 2
  }
  tr -d ' ' <"/proc/$unshare_pid/task/$unshare_pid/children" >"$dir/init.pid"
}

# init_pid NAME - the pid, as the machine sees it, of the host's first process.
init_pid() { cat "$work/$1/init.pid"; }

# podman, skopeo and buildah: vfs works on every file system, also on an overlay.
storage_conf() {
  mkdir -p "$1/etc/containers"
  printf '[storage]\ndriver = "vfs"\ngraphroot = "%s/containers"\nrunroot = "/run/containers"\n' "$1"
}

# on NAME COMMAND... - runs a command on the host, for three minutes at most.
on() {
  local name=$1
  shift
  enter "$name" timeout 180 "$@"
}

# enter NAME COMMAND... - runs a command in the host's namespaces, with a clean environment.
enter() {
  local name=$1 dir=$work/$1
  shift
  nsenter --target "$(init_pid "$name")" --net --mount --pid -- env -i \
    HOME="$dir/home" PATH="$dir/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    LANG=C.UTF-8 TERM=xterm PORTCULLIS_DATA="$dir/data" "$@"
}

# as NAME PERSON COMMAND... - the same with a home directory, and so with logins, of the person's own.
as() {
  local name=$1 home=$work/$1/home-$2
  shift 2
  mkdir -p "$home"
  on "$name" env HOME="$home" "$@"
}

# hosts_link LEFT ADDRESS RIGHT ADDRESS [LEFT-DEVICE] - a veth pair between two hosts.
hosts_link() {
  local device=${5:-eth0}
  nsenter --target "$(init_pid "$1")" --net \
    ip link add "$device" type veth peer name eth0 netns "$(init_pid "$3")"
  on "$1" ip address add "$2" dev "$device"
  on "$1" ip link set "$device" up
  on "$3" ip address add "$4" dev eth0
  on "$3" ip link set eth0 up
}

# hosts_stop - ends every host: SIGTERM to its daemons, then its init, and with it all that is left.
hosts_stop() {
  local name pid_file
  for name in "${hosts[@]}"; do
    for pid_file in "$work/$name"/*.daemon; do
      [[ ! -e $pid_file ]] || daemon_stop "$name" "$(basename "$pid_file" .daemon)" >/dev/null || true
    done
    kill -KILL "$(<"$work/$name/unshare.pid")" 2>/dev/null || true
    within 5 host_is_gone "$name" || true
  done
  hosts=()
}

host_is_gone() { ! kill -0 "$(<"$work/$1/unshare.pid")" 2>/dev/null; }

# daemon_start NAME DAEMON COMMAND... - runs a daemon on the host; its output goes to the host's log/DAEMON.
daemon_start() {
  local name=$1 daemon=$2 dir=$work/$1
  shift 2
  rm -f "$dir/$daemon.exit"
  {
    # shellcheck disable=SC2016 # the inner shell expands
    enter "$name" sh -c 'echo $$ >"$0"; exec "$@"' "$dir/$daemon.daemon" "$@" && status=0 || status=$?
    echo "$status" >"$dir/$daemon.exit"
  } >"$dir/log/$daemon" 2>&1 </dev/null &
  within 5 test -s "$dir/$daemon.daemon"
}

# daemon_pid NAME DAEMON - its pid on the host.
daemon_pid() { cat "$work/$1/$2.daemon"; }

# daemon_stop NAME DAEMON - SIGTERM, and SIGKILL after 20 s. Succeeds if the daemon exits with code 0.
daemon_stop() {
  local name=$1 daemon=$2 dir=$work/$1 pid
  pid=$(daemon_pid "$name" "$daemon")
  rm -f "$dir/$daemon.daemon"
  on "$name" sh -c "kill -TERM $pid" || true
  within 20 test -s "$dir/$daemon.exit" || {
    on "$name" sh -c "kill -KILL $pid" || true
    within 5 test -s "$dir/$daemon.exit"
  }
  same "$(<"$dir/$daemon.exit")" 0
}
