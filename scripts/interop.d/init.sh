#!/usr/bin/env bash
# The first process of a host (see hosts.sh): makes its mounts, then reaps orphans until it is killed.
set -euo pipefail
dir=$1
mount --bind "$dir/etc" /etc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock
# Here podman, skopeo and buildah remember where blobs are, and `portcullis trust` what it wrote.
mkdir -p "$dir/var-lib"
mount --bind "$dir/var-lib" /var/lib
# What `trust --system` adds to the operating system's store, next to what the machine has there.
mkdir -p /usr/local/share/ca-certificates
cp -a /usr/local/share/ca-certificates "$dir/own-certificates"
mount --bind "$dir/own-certificates" /usr/local/share/ca-certificates
ip link set lo up
touch "$dir/ready"
while :; do
  sleep 3600 &
  wait $!
done
