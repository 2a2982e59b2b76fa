#!/bin/sh
# An NVMe/TCP target made of nothing but Linux, to try Braid on: one subsystem
# with two namespaces, and a port on each address. Whoever reaches an address can
# read and write everything: for a lab.
#
#   target.sh up              make it
#   target.sh cut ADDRESS     close a port: its path is lost
#   target.sh repair ADDRESS  open it again
#   target.sh down            take it away; the files with the data stay
#
# Runs as root on the machine that has the addresses. What is below can be set in
# the environment; the defaults are those of the other examples.
set -eu

: "${NQN:=nqn.2026-11.dev.braid.example:shelf1}"
: "${ADDRESSES:=192.0.2.2 192.0.2.18}" # better in two networks
: "${PORT:=4420}"
: "${UUIDS:=b4a1dde0-0000-4000-8000-000000000001 b4a1dde0-0000-4000-8000-000000000002}"
: "${SIZE:=1G}"
: "${DIR:=/var/lib/braid-target}"

nvmet=/sys/kernel/config/nvmet
subsystem=$nvmet/subsystems/$NQN

up() {
	modprobe -a nvmet nvmet-tcp
	[ -d $nvmet ] || mount -t configfs configfs /sys/kernel/config
	mkdir -p "$DIR"
	mkdir "$subsystem"
	echo 1 >"$subsystem/attr_allow_any_host"
	number=0
	for uuid in $UUIDS; do
		number=$((number + 1))
		add_namespace $number "$uuid"
	done
	number=0
	for address in $ADDRESSES; do
		number=$((number + 1))
		add_port $number "$address"
		repair "$address"
	done
}

# The UUID is what a volume is known by: without one the kernel makes up another
# each time.
add_namespace() {
	file=$DIR/$2
	[ -e "$file" ] || truncate -s "$SIZE" "$file"
	namespace=$subsystem/namespaces/$1
	mkdir "$namespace"
	echo "$2" >"$namespace/device_uuid"
	echo 1 >"$namespace/buffered_io"
	echo "$file" >"$namespace/device_path"
	echo 1 >"$namespace/enable"
}

add_port() {
	mkdir "$nvmet/ports/$1"
	echo tcp >"$nvmet/ports/$1/addr_trtype"
	case $2 in
	*:*) echo ipv6 ;;
	*) echo ipv4 ;;
	esac >"$nvmet/ports/$1/addr_adrfam"
	echo "$2" >"$nvmet/ports/$1/addr_traddr"
	echo "$PORT" >"$nvmet/ports/$1/addr_trsvcid"
}

# port prints the directory of the port with this address.
port() {
	for dir in "$nvmet"/ports/*; do
		if [ "$(cat "$dir/addr_traddr")" = "$1" ]; then
			echo "$dir"
			return
		fi
	done
	echo "target.sh: no port has the address $1" >&2
	return 1
}

# A port serves the subsystems that are linked to it, and closes with the last.
repair() {
	dir=$(port "$1")
	ln -s "$subsystem" "$dir/subsystems/"
}

cut() {
	dir=$(port "$1")
	rm "$dir/subsystems/$NQN"
}

# down also takes away what an up that failed has left.
down() {
	for address in $ADDRESSES; do
		dir=$(port "$address") || continue
		rm -f "$dir/subsystems/$NQN"
		rmdir "$dir"
	done
	for namespace in "$subsystem"/namespaces/*; do
		[ -d "$namespace" ] && rmdir "$namespace"
	done
	rmdir "$subsystem"
}

case "${1:-} $#" in
"up 1" | "down 1") "$1" ;;
"cut 2" | "repair 2") "$1" "$2" ;;
*)
	echo "usage: target.sh up | down | cut ADDRESS | repair ADDRESS" >&2
	exit 2
	;;
esac
