#!/bin/sh
# Makes this machine trust the container registry named below: writes the certificate of its CA, which this file holds,
# where docker, podman, skopeo, buildah and containerd look for it. As root also into the operating system's store, if the
# CA can sign for nothing but the registry's own names; curl, crane, oras, helm and cosign read that store.
# It uses no network and edits no configuration. Call this file t, then:
#
#   sudo sh t                 the whole machine
#   sh t                      as an ordinary user: the rootless tools of that user
#   sudo sh t --undo          remove what this script wrote (without sudo: for that user)
#   sudo sh t --no-system     leave the operating system's store out
#   sudo sh t --system        into that store even if the CA can sign for any name
#   sudo sh t --replace       replace another CA
set -euf
umask 022

registry='@REGISTRY@'
names='@NAMES@'
file_name='@FILE_NAME@'
sha256='@SHA256@'
constrained='@CONSTRAINED@'
certificate='@CERTIFICATE@'

main() {
  undo='' system='' user='' replace='' root='' temporary='' begun='' pending='' visited='' store='' wanted=''
  while [ $# -gt 0 ]; do
    case $1 in
      --undo) undo=yes ;;
      --system) system=yes ;;
      --no-system) system=no ;;
      --user) user=yes ;;
      --replace) replace=yes ;;
      --root)
        [ $# -gt 1 ] || usage "--root needs a directory"
        root=${2%/}
        shift
        ;;
      *) usage "unknown option $1" ;;
    esac
    shift
  done
  choose_places
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if [ -n "$undo" ]; then undo; else install; fi
}

usage() {
  echo "trust: $1; the options are --undo, --system, --no-system, --user, --replace" >&2
  exit 2
}

die() {
  echo "trust: $1" >&2
  exit 1
}

finish() {
  status=$?
  [ -z "$temporary" ] || rm -f "$temporary"
  if [ "$status" != 0 ] && [ -n "$begun" ]; then
    echo "trust: stopped before the end; run it again, or with --undo to remove what was written" >&2
  fi
}

# The places of everyone's tools, or of one user's.
choose_places() {
  if [ -n "$user" ] && [ -z "$root" ] && [ "$(id -u)" = 0 ]; then
    die "--user is for an ordinary user: run it as that user, without sudo. Nothing was changed"
  fi
  if [ -z "$user" ] && { [ -n "$root" ] || [ "$(id -u)" = 0 ]; }; then
    docker=/etc/docker/certs.d containers=/etc/containers/certs.d state=/var/lib/portcullis-trust
  else
    user=yes
    case ${HOME:-} in /*) ;; *) die "HOME is not an absolute path, so there is no user to write for: set it" ;; esac
    config=$HOME/.config state=$HOME/.local/state
    case ${XDG_CONFIG_HOME:-} in /*) config=$XDG_CONFIG_HOME ;; esac
    case ${XDG_STATE_HOME:-} in /*) state=$XDG_STATE_HOME ;; esac
    docker=$config/docker/certs.d containers=$HOME/.config/containers/certs.d state=$state/portcullis-trust
    [ "$system" != yes ] || die "--system needs root: run it with sudo. Nothing was changed"
  fi
  record=$root$state/$file_name.script
}

install() {
  if [ -z "$user" ]; then choose_store; fi
  each_place check
  visited=''
  each_place write
  if [ -n "$wanted" ]; then
    run_store_command
    echo "note: programs that are running read the operating system's store when they start"
  fi
}

# Whether the operating system's store takes the CA, and where it is.
choose_store() {
  if [ "$system" = no ]; then return 0; fi
  if [ "$constrained" != yes ] && [ "$system" != yes ]; then
    echo "note: this CA can sign for any name, so it stays out of the operating system's store: curl, crane, oras, helm and"
    echo "note: cosign do not trust the registry; --system adds it, for every program on this machine and every name"
    return 0
  fi
  if detect_store; then
    store=$store_directory/portcullis-$file_name.crt
  elif [ "$system" = yes ]; then
    die "$store_problem. Nothing was written"
  else
    echo "note: the CA stays out of the operating system's store: $store_problem"
  fi
}

# Sets store_family, store_directory and store_command; or store_problem.
detect_store() {
  release=''
  for file in /usr/lib/os-release /etc/os-release; do
    if [ -r "$root$file" ]; then release=$root$file; fi
  done
  store_problem='/etc/os-release names no system whose store is known; add the certificate by the means of the system'
  [ -n "$release" ] || return 1
  store_family=''
  for word in $(sed -n 's/^ID=//p' "$release" | tr -d "\"'") $(sed -n 's/^ID_LIKE=//p' "$release" | tr -d "\"'"); do
    case $word in
      debian | ubuntu) store_family=debian store_directory=/usr/local/share/ca-certificates program=update-ca-certificates ;;
      alpine) store_family=alpine store_directory=/usr/local/share/ca-certificates program=update-ca-certificates ;;
      rhel | fedora | centos | amzn)
        store_family=redhat store_directory=/etc/pki/ca-trust/source/anchors program=update-ca-trust
        ;;
      suse | sles | opensuse*) store_family=suse store_directory=/etc/pki/trust/anchors program=update-ca-certificates ;;
      arch | archlinux)
        store_family=arch store_directory=/etc/ca-certificates/trust-source/anchors program=update-ca-trust
        ;;
      *) continue ;;
    esac
    break
  done
  [ -n "$store_family" ] || return 1
  for directory in /usr/sbin /usr/bin /sbin /bin; do
    if [ -x "$root$directory/$program" ]; then
      store_command=$root$directory/$program
      return 0
    fi
  done
  store_problem="$program is missing; install the package ca-certificates and run this again"
  return 1
}

run_store_command() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$store_command" "$@" >/dev/null ||
    die "$store_command failed: the tools that read certs.d are served, others are not (--no-system leaves the store out)"
  echo "ran ${store_command##*/}"
}

# each_place ACTION - every file that is to hold the certificate.
each_place() {
  for name in $names; do
    visit "$1" "$docker/$name/ca.crt"
    visit "$1" "$containers/$name/ca.crt"
    if [ -z "$user" ]; then containerd_places "$1" "$name"; fi
  done
  if [ -n "$store" ]; then visit "$1" "$store"; fi
}

visit() {
  case $visited in *"|$2|"*) return 0 ;; esac
  visited="$visited|$2|"
  "$1" "$2"
}

# containerd looks where config_path says, ctr and nerdctl where they are told; /etc/containerd/certs.d is the usual answer.
containerd_places() {
  has_containerd || return 0
  quoted="s/^[[:space:]]*config_path[[:space:]]*=[[:space:]]*[\"']\\([^\"']*\\)[\"'].*/\\1/p"
  lists=''
  if [ -r "$root/etc/containerd/config.toml" ]; then lists=$(sed -n "$quoted" "$root/etc/containerd/config.toml"); fi
  for list in $lists /etc/containerd/certs.d; do
    directory=$(containerd_directory "$list" "$2")
    if [ -z "$directory" ]; then
      continue
    elif [ ! -e "$root$directory/hosts.toml" ]; then
      visit "$1" "$directory/ca.crt"
    elif [ "$1" = write ]; then
      echo "note: containerd reads $directory/hosts.toml: add there [host.\"https://$2\"] ca = \"$docker/$2/ca.crt\""
    fi
  done
}

has_containerd() {
  for place in /etc/containerd /usr/bin/containerd /usr/local/bin/containerd /usr/sbin/containerd; do
    if [ -e "$root$place" ]; then return 0; fi
  done
  return 1
}

# containerd_directory DIR:DIR:... NAME - the first that exists for the name, as containerd finds it; else in the first DIR.
containerd_directory() {
  underscored=''
  case $2 in
    *]) ;;
    *:*) underscored=${2%:*}_${2##*:}_ ;;
  esac
  first=''
  for directory in $(echo "$1" | tr ':' ' '); do
    case $directory in /*) ;; *) continue ;; esac
    if [ -z "$first" ]; then first=$directory/$2; fi
    if [ -n "$underscored" ] && [ -d "$root$directory/$underscored" ]; then
      echo "$directory/$underscored"
      return 0
    elif [ -d "$root$directory/$2" ]; then
      echo "$directory/$2"
      return 0
    fi
  done
  echo "$first"
}

# Nothing is written before every place has passed this.
check() {
  if [ ! -e "$root$1" ] || is_this "$1" || is_recorded "$1" || [ -n "$replace" ]; then return 0; fi
  die "$1 holds another CA: --replace puts this one there. Nothing was written"
}

write() {
  if [ -e "$root$1" ] && is_this "$1"; then
    echo "unchanged $1"
    return 0
  fi
  begin
  make_directory "${1%/*}"
  note "file $(printf '%s\n' "$certificate" | hash) $1"
  temporary=$root${1%/*}/.portcullis-trust.$$
  printf '%s\n' "$certificate" >"$temporary"
  mv -f "$temporary" "$root$1"
  temporary=''
  if [ "$1" = "$store" ]; then wanted=yes; fi
  echo "wrote $1"
}

is_this() { [ "$(cat "$root$1")" = "$certificate" ]; }

# Whether this script wrote what the file holds now.
is_recorded() { [ -e "$record" ] && grep -qxF "file $(hash <"$root$1") $1" "$record"; }

hash() { sha256sum | cut -c1-64; }

# The record comes before what it names, so that --undo knows of everything.
begin() {
  if [ -n "$begun" ]; then return 0; fi
  make_directory "$state"
  begun=yes
  note "registry $registry"
  note "ca $sha256"
  printf '%s' "$pending" | while read -r made; do note "directory - $made"; done
}

note() {
  if [ ! -e "$record" ] || ! grep -qxF "$1" "$record"; then printf '%s\n' "$1" >>"$record"; fi
}

make_directory() {
  if [ -z "$1" ] || [ -d "$root$1" ]; then return 0; fi
  make_directory "${1%/*}"
  mkdir "$root$1"
  if [ -n "$begun" ]; then
    note "directory - $1"
  else
    pending="$pending$1
"
  fi
}

undo() {
  if [ ! -e "$record" ]; then
    echo "nothing of $registry is here that this script wrote"
    if [ -e "$root$state/$file_name.json" ]; then echo "portcullis untrust $registry removes what \`trust\` wrote"; fi
    return 0
  fi
  directories='' left='' in_store=''
  if [ -z "$user" ] && detect_store; then store=$store_directory/portcullis-$file_name.crt; fi
  while read -r kind _ path; do
    case $kind in
      directory) directories="$directories$path
" ;;
      file) undo_file "$path" ;;
    esac
  done <"$record"
  if [ -z "$left" ]; then rm -f "$record"; fi
  printf '%s' "$directories" | sort -r | while read -r path; do
    rmdir "$root$path" 2>/dev/null || hand_over "$path"
  done
  if [ -n "$in_store" ]; then
    if [ "$store_family" = debian ]; then run_store_command --fresh; else run_store_command; fi
  fi
  if [ -n "$left" ]; then die "remove by hand what was left, and run this again"; fi
}

undo_file() {
  if [ ! -e "$root$1" ]; then
    if [ "$1" = "$store" ]; then in_store=yes; fi
  elif is_recorded "$1"; then
    if [ "$1" = "$store" ]; then in_store=yes; fi
    rm -f "$root$1"
    echo "removed $1"
  else
    left=yes
    echo "left $1: it was changed since"
  fi
}

# hand_over DIRECTORY - one that another registry needs goes with what was written for that.
hand_over() {
  if [ ! -d "$root$1" ]; then return 0; fi
  set +f
  for other in "$root$state"/*.script; do
    if [ "$other" != "$record" ] && [ -e "$other" ]; then
      grep -qxF "directory - $1" "$other" || echo "directory - $1" >>"$other"
      break
    fi
  done
  set -f
}

main "$@"
