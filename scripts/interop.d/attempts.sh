# Sourced. What each capability of the matrix means: what is asked of the client, and what is then asked of the server,
# so that a client cannot report a success that did not happen.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables
#
# Functions of clients run in pipelines, never before `||` or in a condition, where `set -e` would not end them.

try_login() { "login_with_$1"; }

# A push of a few KiB. The digest that the client names is the one that the server has.
try_push() {
  small_layout "$1"
  push_and_compare "$1" "$work/matrix/$1/small" "$(repository "$1"):$image_tag"
  cp "$work/matrix/$1/digest" "$work/matrix/$1/pushed"
}

try_pull() {
  provide "$1" "$(repository "$1"):$image_tag"
  pull_and_compare "$1" "$(repository "$1"):$image_tag"
}

# An image is built from a base that the client has to pull, and that only its owner may pull.
try_build() {
  provide "$1" "$(repository "$1" -base):$image_tag"
  "build_with_$1" "$(repository "$1" -base):$image_tag" from-private
}

# The same, and the image is pushed: it has the base's two layers and one more, and the client pulls what the server has.
try_buildx() { build_and_push "$1" buildx; }
try_builder() { build_and_push "$1" builder; }

build_and_push() {
  local reference
  reference=$(repository "$1" "-$2"):$image_tag
  provide "$1" "$(repository "$1" -base):$image_tag"
  "$2_with_$1" "$(repository "$1" -base):$image_tag" "$reference"
  same "$(layers_served "$reference")" 3
  pull_and_compare "$1" "$reference"
}

# A repository that is open to everyone needs no login.
try_anonymous() {
  local reference
  reference=$(repository "$1" -open):$image_tag
  provide "$1" "$reference"
  "anonymous_with_$1" "$reference" 2>&1 | tee "$work/matrix/$1/said"
  same "$(digest_said "$1")" "$(digest_served "$reference")"
}

# An index of two platforms, under the digest that the client named, and both of its images are there.
try_index() {
  local dir=$work/matrix/$1/index reference platforms
  reference=$(repository "$1" -index):$image_tag
  [[ -d $dir ]] || layout "$dir" 3000 linux/amd64 linux/arm64
  "index_with_$1" "$dir" "$reference" 2>&1 | tee "$work/matrix/$1/said"
  same "$(digest_said "$1")" "$(digest_served "$reference")"
  manifest_served "$reference" >"$work/matrix/$1/index.json"
  platforms=$(jq -r '[.manifests[].platform | "\(.os)/\(.architecture)"] | sort | join(" ")' "$work/matrix/$1/index.json")
  same "$platforms" "linux/amd64 linux/arm64"
  while read -r platforms; do
    manifest_served "${reference%:*}@$platforms" >/dev/null
  done < <(jq -r '.manifests[].digest' "$work/matrix/$1/index.json")
}

# The same image to a second repository: its layers are mounted (POST answers 201), not sent once more.
try_mount() {
  local to mounted
  to=$(repository "$1" -mounted):$image_tag
  "mount_with_$1" "$(repository "$1"):$image_tag" "$to"
  digest_served "$to"
  mounted=$(requests_to "${to%:*}" POST 201)
  echo "$mounted layers mounted"
  ((mounted >= 2))
}

try_delete() {
  local reference
  reference=$(repository "$1" -deleted):$image_tag
  provide "$1" "$reference"
  digest_served "$reference"
  "delete_with_$1" "$reference"
  same "$(status_of hub --user "$matrix_user:$matrix_password" "$(manifest_url "$reference")")" 404
}

# An artifact that names the image as its subject is read back by the client, and the server lists it as a referrer.
try_artifact() {
  local reference digest
  reference=$(repository "$1" -subject):$image_tag
  provide "$1" "$reference"
  digest=$(digest_served "$reference")
  echo "what the artifact of $1 says" >"$work/matrix/$1/artifact.txt"
  "artifact_with_$1" "$reference" "$work/matrix/$1/artifact.txt"
  fetch hub "$matrix_user:$matrix_password" "$(path_of "${reference%:*}")/referrers/$digest" |
    tee /dev/stderr | jq -e '.manifests | length > 0'
}

try_large() {
  local dir=$work/matrix/$1/large reference
  reference=$(repository "$1" -large):$image_tag
  layout "$dir" "$large_bytes" "$platform_here"
  push_and_compare "$1" "$dir" "$reference"
  pull_and_compare "$1" "$reference"
}

# Each client's image is pulled under the digest that the other client named when it pushed.
try_exchange() {
  local other
  for other in "${matrix_clients[@]}"; do
    [[ -s $work/matrix/$other/pushed && $other != "$1" ]] || continue
    [[ $other != helm || $1 =~ ^(crane|oras|regctl)$ ]] || continue
    echo "what $other pushed:"
    "pull_with_$1" "$(repository "$other"):$image_tag" 2>&1 | tee "$work/matrix/$1/said"
    same "$(digest_said "$1")" "$(<"$work/matrix/$other/pushed")"
  done
}

# Login, push and pull of a registry that asks for the password itself.
try_basic() {
  local reference
  reference=$(repository "$1" -basic):$image_tag
  if declare -F "login_with_$1" >/dev/null; then "login_with_$1"; fi
  if declare -F "push_with_$1" >/dev/null; then
    push_and_compare "$1" "$work/matrix/$1/small" "$reference"
  else
    reference=$(repository "$1"):$image_tag
  fi
  pull_and_compare "$1" "$reference"
}

small_layout() { [[ -d $work/matrix/$1/small ]] || layout "$work/matrix/$1/small" 3000 "$platform_here"; }

# provide CLIENT REFERENCE - an image to work with, pushed by the client, or by skopeo where the client cannot.
provide() {
  local pusher=$1
  [[ $2 != "$(repository "$1"):$image_tag" || ! -s $work/matrix/$1/pushed ]] || return 0
  small_layout "$1"
  if ! declare -F "push_with_$1" >/dev/null; then
    login_with_skopeo
    pusher=skopeo
  fi
  "push_with_$pusher" "$work/matrix/$1/small" "$2"
}

# push_and_compare CLIENT LAYOUT REFERENCE - the digest is kept in the file `digest`.
push_and_compare() {
  "push_with_$1" "$2" "$3" 2>&1 | tee "$work/matrix/$1/said"
  digest_said "$1" >"$work/matrix/$1/digest"
  same "$(digest_said "$1")" "$(digest_served "$3")"
}

pull_and_compare() {
  "pull_with_$1" "$2" 2>&1 | tee "$work/matrix/$1/said"
  same "$(digest_said "$1")" "$(digest_served "$2")"
}

# The last digest that the client printed; functions of clients print the one that matters last.
digest_said() { grep -Eo 'sha256:[0-9a-f]{64}' "$work/matrix/$1/said" | tail -n 1; }

# path_of REPOSITORY - below the server's root.
path_of() { printf '/v2/%s\n' "${1#*/}"; }

# manifest_url REPOSITORY:TAG|REPOSITORY@DIGEST
manifest_url() {
  case $1 in
    *@*) printf 'https://localhost:5000%s/manifests/%s\n' "$(path_of "${1%@*}")" "${1#*@}" ;;
    *) printf 'https://localhost:5000%s/manifests/%s\n' "$(path_of "${1%:*}")" "${1##*:}" ;;
  esac
}

# digest_served REFERENCE - the digest that the server names.
digest_served() {
  on hub curl --silent --show-error --fail --head --cacert "$(ca_file hub)" --user "$matrix_user:$matrix_password" "$(manifest_url "$1")" |
    tr -d '\r' | sed -n 's/^docker-content-digest: //Ip'
}

manifest_served() {
  on hub curl --silent --show-error --fail --cacert "$(ca_file hub)" --user "$matrix_user:$matrix_password" "$(manifest_url "$1")"
}

# layers_served REFERENCE - how many layers the image has, or the first image of the index.
layers_served() {
  local manifest first
  manifest=$(manifest_served "$1")
  first=$(jq -r '.manifests[0].digest // empty' <<<"$manifest")
  [[ -z $first ]] || manifest=$(manifest_served "${1%:*}@$first")
  jq '.layers | length' <<<"$manifest"
}

# requests_to REPOSITORY METHOD STATUS - how many uploads in the repository the server's log has with it.
requests_to() {
  jq -R 'fromjson?' "$work/hub/log/portcullis" | jq -s --arg path "$(path_of "$1")/blobs/uploads" --arg method "$2" --argjson status "$3" \
    'map(select(.message == "answered" and .method == $method and .status == $status and (.path | startswith($path)))) | length'
}
