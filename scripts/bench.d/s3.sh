# Sourced. `--only s3`: blobs in a bucket next to blobs on the disk, on s3s-fs behind nginx with TLS. Prints what a push and a pull cost, next
# to writing and reading straight to and from that server, and the memory of many pushes at once.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

bucket_key=bench-access-key bucket_secret=bench-secret-key
bucket_pushes=32 bucket_push_mebibytes=64
# As the registry sends them by default.
bucket_part_bytes=16777216 bucket_parts_at_once=4

bucket_start() {
  need nginx:nginx-light curl:curl jq:jq openssl:openssl
  cargo_tool_install s3s-fs 0.14.1 binary
  mkdir -p "$work/s3/bench" "$work/front"
  "${tool_cache%/bin}/s3s-fs/bin/s3s-fs" --host 127.0.0.1 --port "${port[s3s]}" --access-key "$bucket_key" \
    --secret-key "$bucket_secret" "$work/s3" >"$work/s3s.log" 2>&1 &
  pid[s3s]=$!
  cat >"$work/front/nginx.conf" <<NGINX
pid $work/front/pid;
error_log $work/front/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path $work/front/body;
  proxy_temp_path $work/front/proxy;
  fastcgi_temp_path $work/front/fastcgi;
  uwsgi_temp_path $work/front/uwsgi;
  scgi_temp_path $work/front/scgi;
  upstream store { server 127.0.0.1:${port[s3s]}; keepalive 32; }
  server {
    listen 127.0.0.1:${port[front]} ssl;
    ssl_certificate $work/tls.pem;
    ssl_certificate_key $work/tls.key;
    location / {
      proxy_pass http://store;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host \$http_host;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_buffers 8 256k;
      proxy_buffer_size 256k;
      proxy_busy_buffers_size 256k;
    }
  }
}
NGINX
  nginx -p "$work/front" -c "$work/front/nginx.conf" -g 'daemon off;' >"$work/nginx.log" 2>&1 &
  pid[front]=$!
  local name
  for name in s3s front; do
    until (exec 3<>"/dev/tcp/127.0.0.1/${port[$name]}") 2>/dev/null; do
      kill -0 "${pid[$name]}" 2>/dev/null || { cat "$work"/{s3s,nginx}.log >&2 && exit 1; }
      sleep 0.05
    done
  done
}

# bucket_server NAME [VARIABLE=VALUE...] - a registry with these settings.
bucket_server() {
  local name=$1
  shift
  server_init "$name" "$binary"
  env PORTCULLIS_DATA="$work/$name" PORTCULLIS_TLS_CERTIFICATE="$work/tls.pem" PORTCULLIS_TLS_PRIVATE_KEY="$work/tls.key" \
    PORTCULLIS_LIMITS_CONCURRENT_UPLOADS=1024 "$@" "$binary" serve --listen "127.0.0.1:${port[$name]}" --host localhost \
    >"$work/$name.log" 2>&1 &
  pid["$name"]=$!
  until curl --silent --insecure --output /dev/null "$(url "$name")/health/ready"; do
    kill -0 "${pid[$name]}" 2>/dev/null || { cat "$work/$name.log" >&2 && exit 1; }
    sleep 0.1
  done
}

bucket_curl() { curl --silent --show-error --fail --insecure --http1.1 --user "bench:$password" "$@"; }

# bucket_push NAME FILE - by POST and PUT; prints the seconds of the PUT.
bucket_push() {
  local session
  session=$(bucket_curl --request POST --output /dev/null --write-out '%header{location}' "$(url "$1")/v2/bench/app/blobs/uploads/")
  bucket_curl --output /dev/null --write-out '%{time_total}\n' --header 'Expect:' --upload-file "$2" \
    "$(url "$1")$session?digest=sha256:$(<"$2.digest")"
}

bucket_pull() { bucket_curl --output /dev/null --write-out '%{time_total}\n' "$(url "$1")/v2/bench/app/blobs/sha256:$(<"$work/large.digest")"; }

# What a client of the object store gets, over the same TLS.
bucket_direct() {
  local object
  object=$(find "$work/s3/bench/u" -size +100M -printf '%f\n' -quit)
  curl --silent --show-error --fail --insecure --output /dev/null --write-out '%{time_total}\n' --user "$bucket_key:$bucket_secret" \
    --aws-sigv4 aws:amz:us-east-1:s3 --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "https://localhost:${port[front]}/bench/u/$object"
}

# The same for a file that is written, in parts as the registry sends them.
bucket_write() {
  AWS_ACCESS_KEY_ID=$bucket_key AWS_SECRET_ACCESS_KEY=$bucket_secret PYTHONDONTWRITEBYTECODE=1 python3 "$here/s3_write.py" \
    "https://localhost:${port[front]}" bench "written" "$1" "$bucket_part_bytes" "$bucket_parts_at_once"
}

bucket_file() { head -c "$3" /dev/zero | openssl enc -aes-128-ctr -nosalt -pass "pass:$2" 2>/dev/null >"$1" && sha256sum "$1" | cut -d' ' -f1 >"$1.digest"; }

median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

# bucket_row WHAT FIGURE LEAST - a figure and whether it is met.
bucket_row() {
  awk -v what="$1" -v figure="$2" -v least="$3" -v soft="$least" 'BEGIN {
    met = figure >= least; printf "%-52s %5.2fx of %.2fx wanted: %s\n", what, figure, least, met ? "met" : "NOT met"; exit figure < least * soft }' || failed=1
}

bucket_bench() {
  local round before
  read -r 'port[disk]' 'port[bucket]' 'port[s3s]' 'port[front]' < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*[listener.getsockname()[1] for listener in sockets])')
  certificates_make
  bucket_start
  bucket_server disk
  bucket_server bucket PORTCULLIS_BLOBS_STORE=s3 PORTCULLIS_BLOBS_S3_ENDPOINT="https://localhost:${port[front]}" \
    PORTCULLIS_BLOBS_S3_BUCKET=bench PORTCULLIS_BLOBS_S3_CA="$work/tls.pem" AWS_ACCESS_KEY_ID=$bucket_key \
    AWS_SECRET_ACCESS_KEY=$bucket_secret
  : >"$work/times"
  for ((round = 1; round <= rounds; round++)); do
    bucket_file "$work/large" "large-$round" $((mebibytes << 20))
    for name in disk bucket; do
      before=$(cpu_seconds "$name")
      echo "push $name $(bucket_push "$name" "$work/large") $(awk -v a="$before" -v b="$(cpu_seconds "$name")" 'BEGIN { print b - a }')"
    done
    before=$(cpu_seconds bucket)
    echo "pull bucket $(bucket_pull bucket) $(awk -v a="$before" -v b="$(cpu_seconds bucket)" 'BEGIN { print b - a }')"
    echo "pull direct $(bucket_direct) 0"
    echo "push direct $(bucket_write "$work/large") 0"
  done >"$work/times"
  bucket_report
  bucket_memory
}

bucket_median() { awk -v way="$1" -v name="$2" -v column="$3" '$1 == way && $2 == name { print $column }' "$work/times" | median; }

bucket_report() {
  local way name
  while read -r way name; do
    awk -v what="$way, $name" -v s="$(bucket_median "$way" "$name" 3)" -v c="$(bucket_median "$way" "$name" 4)" -v m="$mebibytes" \
      'BEGIN { printf "%-24s %8.0f MB/s  [%.2f s/GiB of the registry'"'"'s processor time]\n", what, m * 1.048576 / s, c * 1024 / m }'
  done <<<$'push disk\npush bucket\npush direct\npull direct\npull bucket'
  bucket_push_row
  bucket_row "pull from the bucket, of reading straight from it" \
    "$(awk -v a="$(bucket_median pull direct 3)" -v b="$(bucket_median pull bucket 3)" 'BEGIN { print a / b }')" 0.7
}

# A push is to have 0.6 of its rate to the disk, or where the object store itself takes no more, 0.8 of what a client gets there alone: it
# computes MD5 of all that it gets, writes it twice, and has the same processors.
bucket_push_row() {
  local disk bucket direct wanted
  disk=$(bucket_median push disk 3) bucket=$(bucket_median push bucket 3) direct=$(bucket_median push direct 3)
  wanted=$(awk -v a="$disk" -v b="$direct" 'BEGIN { most = 0.8 * a / b; print most < 0.6 ? most : 0.6 }')
  awk -v a="$disk" -v b="$bucket" -v c="$direct" 'BEGIN {
    printf "%-52s %5.2fx; writing straight to it has %.2fx of disk\n", "push into the bucket, of writing straight to it", c / b, a / c }'
  bucket_row "push of $mebibytes MiB into the bucket, of disk" "$(awk -v a="$disk" -v b="$bucket" 'BEGIN { print a / b }')" "$wanted"
}

# The most memory that the registry takes while many push at the same time.
bucket_memory() {
  local number pushes=() peak
  for ((number = 1; number <= bucket_pushes; number++)); do
    bucket_file "$work/push-$number" "push-$number" $((bucket_push_mebibytes << 20))
  done
  echo 5 >"/proc/${pid[bucket]}/clear_refs"
  for ((number = 1; number <= bucket_pushes; number++)); do
    bucket_push bucket "$work/push-$number" >/dev/null &
    pushes+=($!)
  done
  for number in "${pushes[@]}"; do wait "$number" || failed=1; done
  peak=$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/${pid[bucket]}/status")
  printf '%d pushes of %d MiB at the same time: %d MiB of memory, 256 MiB wanted: %s\n' "$bucket_pushes" "$bucket_push_mebibytes" \
    "$peak" "$( ((peak <= 256)) && echo met || echo 'NOT met')"
  ((peak <= 256)) || failed=1
}
