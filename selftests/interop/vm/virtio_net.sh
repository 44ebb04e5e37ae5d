#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the virtio_net of vm_zerocopy.sh for image.sh's Linux 6.12: the driver with what it lacks of AF_XDP with zero-copy
# (virtio_net.py).
#
#	selftests/interop/vm/virtio_net.sh [build]
#
# The packages of kernel source and headers (170 MB) are fetched and unpacked in a temporary directory under $BUILD/vm;
# nothing is installed. Some minutes. Without `build`: only tells where it is. Prints an archive for VM_OVERLAY.
set -eu -o pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
build=${BUILD:-build}
case $build in /*) ;; *) build=$top/$build ;; esac
image=$build/vm/6.12
[ -e "$image/version" ] || { echo 'virtio_net.sh: no image of Linux 6.12: image.sh makes it' >&2 && exit 1; }
version=$(cat "$image/version")
archive=$build/vm/virtio_net-$version.cpio

is_made() { [ -e "$archive" ] && [ "$archive" -nt "$here/virtio_net.py" ]; }

# download package ...: and unpacks it
download() {
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$@" >&2)
	for deb in "$work"/*.deb; do
		dpkg -x "$deb" "$work/root"
		rm "$deb"
	done
}

make_archive() {
	local headers=$work/root/usr/src/linux-headers-$version module=usr/lib/modules/$version/kernel/drivers/net
	download linux-source-6.12 "linux-headers-$version" "linux-headers-${version%-cloud-amd64}-common" \
		"linux-kbuild-${version%-cloud-amd64}"
	mkdir "$work/module"
	tar -xJOf "$work/root/usr/src/linux-source-6.12.tar.xz" linux-source-6.12/drivers/net/virtio_net.c |
		"$here/virtio_net.py" >"$work/module/virtio_net.c"
	echo 'obj-m := virtio_net.o' >"$work/module/Makefile"
	sed -i "s,/usr/src,$work/root/usr/src," "$headers/Makefile"
	make -C "$headers" M="$work/module" CONFIG_DEBUG_INFO_BTF_MODULES= modules >&2
	mkdir -p "$work/files/$module"
	# in the place of Debian's, which is compressed so
	xz --check=crc32 <"$work/module/virtio_net.ko" >"$work/files/$module/virtio_net.ko.xz"
	(cd "$work/files" && find . | cpio --quiet -o -H newc) >"$archive.new"
	mv "$archive.new" "$archive"
}

exec 9>"$build/vm/lock"
flock 9
if ! is_made; then
	[ "${1:-}" = build ] || { echo 'virtio_net.sh: not built; virtio_net.sh build does' >&2 && exit 1; }
	work=$(mktemp -d "$build/vm/virtio_net.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	make_archive
fi
echo "$archive"
