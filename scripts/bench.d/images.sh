# Sourced. Images: the one that small requests ask for, and many small ones by a client that does what docker's engine does.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

measure_images1() {
  images push "$1" 1 images1
  touch "$work/$1.small"
}

measure_images4() { images push "$1" 4 images4; }

measure_pulls() {
  small_push "$1"
  images pull "$1" 1 pulls
}

# small_push NAME - the images that are pulled, unless the server has them.
small_push() {
  if [[ -e $work/$1.small ]]; then return; fi
  images_once push "$1" 1 >/dev/null
  touch "$work/$1.small"
}

# images_once PUSH|PULL NAME CLIENTS - prints seconds, and the client's CPU seconds. Each number of clients has images of its own.
images_once() {
  "$client" "$1" -url "$(url "$2")" -header "$(authorization "$2")" -clients "$3" -count "$images" -seed "$3"
}

# images PUSH|PULL NAME CLIENTS METRIC - records the seconds for 200 images, the server's CPU milliseconds for each, and how busy the
# client was, in per cent of one core.
images() {
  local before after seconds busy
  [[ $1 == pull ]] || sync
  before=$(cpu_seconds "$2")
  read -r seconds busy < <(images_once "$1" "$2" "$3")
  after=$(cpu_seconds "$2")
  record "$4" "$2" "$(awk -v s="$seconds" -v n="$images" 'BEGIN { print s * 200 / n }')"
  record "$4_cpu" "$2" "$(awk -v a="$before" -v b="$after" -v n="$images" 'BEGIN { print 1000 * (b - a) / n }')"
  record "$4_client" "$2" "$(awk -v s="$seconds" -v c="$busy" 'BEGIN { print 100 * c / s }')"
}

# image_make - a config, a layer of 4 KiB and a manifest.
image_make() {
  printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%064d"]}}' 0 >"$work/config"
  head -c 4096 /dev/zero >"$work/layer"
  manifest "$work/config" "$work/layer" >"$work/manifest"
}

# push_image NAME - as bench/app:latest; nginx is given the files.
push_image() {
  local name=$1 file
  if [[ $name == nginx ]]; then
    mkdir -p "$work"/nginx/v2/bench/app/{manifests,blobs}
    cp "$work/manifest" "$work/nginx$small_path"
    for file in config layer; do cp "$work/$file" "$work/nginx/v2/bench/app/blobs/$(digest_of "$work/$file")"; done
    return
  fi
  authorization "$name" >"$work/$name.header"
  for file in config layer; do
    request "$name" --request PUT --header 'Content-Type: application/octet-stream' --data-binary "@$work/$file" \
      "$(upload_location "$name")digest=$(digest_of "$work/$file")"
  done
  request "$name" --request PUT --header 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
    --data-binary "@$work/manifest" "$(url "$name")$small_path"
}

manifest() {
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"%s","digest":"%s","size":%d},"layers":[{"mediaType":"%s","digest":"%s","size":%d}]}' \
    application/vnd.oci.image.config.v1+json "$(digest_of "$1")" "$(stat -c %s "$1")" \
    application/vnd.oci.image.layer.v1.tar "$(digest_of "$2")" "$(stat -c %s "$2")"
}

digest_of() { printf 'sha256:%s' "$(sha256sum "$1" | cut -d ' ' -f 1)"; }

# request NAME CURL-ARGUMENTS... - the headers of the answer go to $work/headers. Fails on a status of 400 or more.
request() {
  local name=$1
  shift
  curl --silent --show-error --fail --insecure --header "@$work/$name.header" --header 'Expect:' \
    --dump-header "$work/headers" --output /dev/null "$@"
}

# upload_location NAME [CURL-ARGUMENTS...] - opens an upload session; its absolute URL, ready to append a query.
upload_location() {
  local location name=$1
  shift
  request "$name" "$@" --request POST --header 'Content-Length: 0' "$(url "$name")/v2/bench/app/blobs/uploads/"
  location=$(sed -n 's/^[Ll]ocation: \(.*\)\r$/\1/p' "$work/headers")
  [[ $location == https://* ]] || location=$(url "$name")$location
  [[ $location == *\?* ]] && printf '%s&' "$location" || printf '%s?' "$location"
}
