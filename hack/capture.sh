#!/bin/sh
# Captures the kernel's NVMe sysfs as fixtures for pkg/multipath/native.
#
#   hack/capture.sh [KERNEL [FOLDER]]
#
# KERNEL is a kernel spec of braid-vm, FOLDER the testdata folder to write to.
set -eu
cd "$(dirname "$0")"
kernel=${1:-newest}
to=${2:-../pkg/multipath/native/testdata}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
CGO_ENABLED=0 go build -o "$tmp/" ./cmd/braid-vm ./cmd/braid-capture
"$tmp/braid-vm" run -kernel "$kernel" -o "$tmp/out" -- "$tmp/braid-capture"
for dir in "$tmp"/out/*/; do
	release=$(basename "$dir")
	mkdir -p "$to/$release"
	cp "$dir"*.sysfs "$to/$release/"
	ls -l "$to/$release"
done
