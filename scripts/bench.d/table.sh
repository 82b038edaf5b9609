# Sourced. The medians, their ratios, and what was aimed at.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

missed=0

# table - prints all; fails when a target is missed.
table() {
  printf '%-34s %12s %16s %9s   %s\n' metric portcullis docker-registry ratio target
  ratio 'blob push, one PUT, MB/s' put token 2
  ratio 'blob push, streamed PATCH, MB/s' patch token 2
  ratio 'blob pull, MB/s' pull token 1
  ratio 'manifest GET with a token, req/s' manifest token 10
  ratio 'manifest GET with a password, req/s' password htpasswd 20
  plain '  the same, bcrypt of cost 5' cheap_password htpasswd
  password_cost 1.3
  connections_lines
  at_most 'peak memory, push and pull, MiB' memory_mib token 64
  plain 'start to the first answer, ms' start_ms token
  echo
  plain 'server CPU s/GiB, PUT' put_cpu token
  plain 'server CPU s/GiB, PATCH' patch_cpu token
  plain 'server CPU s/GiB, pull' pull_cpu token
  plain 'p99 ms, manifest GET with a token' manifest_p99 token
  plain 'p99 ms, with a password' password_p99 htpasswd
  connections_cost
  echo
  notes
  ((missed == 0))
}

# median METRIC SERVER
median() {
  awk -v metric="$1" -v server="$2" '$1 == metric && $2 == server { print $3 }' "$work/figures" | sort -g |
    awk '{ a[NR] = $1 } END { print (NR % 2) ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}

# ratio TITLE METRIC OTHER TARGET - larger is better.
ratio() {
  local ours theirs
  ours=$(median "$2" ours) theirs=$(median "$2" "$3")
  line "$1" "$ours" "$theirs" ">= ${4}x" "$(awk -v a="$ours" -v b="$theirs" -v t="$4" 'BEGIN { print (a >= t * b) }')"
}

# at_most TITLE METRIC OTHER LIMIT - an absolute limit on our side.
at_most() {
  local ours
  ours=$(median "$2" ours)
  line "$1" "$ours" "$(median "$2" "$3")" "<= $4" "$(awk -v a="$ours" -v t="$4" 'BEGIN { print (a <= t) }')"
}

# password_cost LIMIT - the time of a request with a password, by that of one with a token, both ours.
password_cost() {
  local token password cost
  token=$(median manifest ours) password=$(median password ours)
  cost=$(awk -v t="$token" -v p="$password" 'BEGIN { printf "%.2f", t / p }')
  printf '%-34s %12s %16s %9s   %s\n' '  its time by that with a token' "$cost" '' '' "<= $1"
  awk -v c="$cost" -v l="$1" 'BEGIN { exit !(c <= l) }' || missed=$((missed + 1))
}

# plain TITLE METRIC OTHER - no target.
plain() { line "$1" "$(median "$2" ours)" "$(median "$2" "$3")" '' ''; }

line() {
  local outcome=
  case $5 in
    1) outcome=meets ;;
    0)
      outcome=MISSES
      missed=$((missed + 1))
      ;;
  esac
  awk -v title="$1" -v a="$2" -v b="$3" -v target="$4" -v outcome="$outcome" 'BEGIN {
    form = (a < 10 || b < 10) ? "%.2f" : "%.0f"
    printf "%-34s %12s %16s %8.2fx   %-7s %s\n", title, sprintf(form, a), sprintf(form, b), a / b, target, outcome }' |
    sed 's/ *$//'
}

notes() {
  local metric busiest
  echo 'Tokens: ours are ES256; docker-registry is given RS256, which is cheaper to verify. Passwords: argon2id 19 MiB'
  echo 'on our side; on its side bcrypt of cost 10, as docker-registry makes itself, and of cost 5, as the program htpasswd makes.'
  for metric in put patch pull; do
    busiest=$(awk -v m="${metric}_client" '$1 == m && $3 > x { x = $3 } END { printf "%.0f", x }' "$work/figures")
    printf 'curl was busy %s %% of the time at most in: %s%s\n' "$busiest" "$metric" \
      "$( ((busiest < 90)) || echo ' (curl is the limit: the true ratio is higher)')"
  done
}
