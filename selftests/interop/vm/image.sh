#!/bin/bash
# SPDX-License-Identifier: MIT
# Makes what a virtual machine boots from: a Debian kernel, and an initramfs with its modules, the
# tools the tests use, taken from this machine's own packages, and (as an archive of its own, which is
# made anew when any of it is newer) wgx and the selftests' tools.
#
#	selftests/interop/vm/image.sh 6.1|6.12
#
# Nothing is installed: the kernel's package is fetched and unpacked under $BUILD/vm. Prints the
# directory, which then holds vmlinuz, vmlinux where it can be unpacked, modules.cpio and version; beside
# it are tools.cpio and wgx.cpio.
set -eu -o pipefail
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
build=${BUILD:-build}
case $build in /*) ;; *) build=$top/$build ;; esac
series=$1
dir=$build/vm/$series

# Tools: every file of these packages, and the libraries they need.
packages='bash dash coreutils sed grep mawk findutils diffutils util-linux mount kmod procps iproute2
	iputils-ping wireguard-tools iperf3 socat tcpdump jq python3-minimal python3.11-minimal
	libpython3.11-minimal libpython3.11-stdlib ethtool nftables hostname gzip bpftool'
# What a wgx host, its peer and its network are made of. sch_ingress and cls_bpf carry tc programs
# where the kernel has no tcx.
modules='virtio_pci virtio_net virtio_console virtio_rng veth wireguard tun dummy bridge bonding 8021q
	vrf ifb sch_netem sch_ingress sch_prio cls_bpf cls_u32 act_mirred nf_tables nft_chain_nat nft_nat
	nft_masq nft_ct nft_counter nft_compat nf_conntrack nft_reject_inet nft_fib_inet xt_mark'

meta=linux-image-$series-cloud-amd64
[ "$series" != 6.1 ] || meta=linux-image-cloud-amd64

fetch_kernel() {
	local package
	package=$(apt-cache depends "$meta" | sed -n 's/^ *Depends: //p' | head -n 1)
	[ -n "$package" ] || { echo "image.sh: the archives have no $meta" >&2 && return 1; }
	rm -rf "$dir.new" && mkdir -p "$dir.new/package"
	(cd "$dir.new" && apt-get -qq -o APT::Sandbox::User=root download "$package" >&2)
	dpkg -x "$dir.new/$package"_*.deb "$dir.new/package"
	rm "$dir.new/$package"_*.deb
	cp "$dir.new/package/boot/vmlinuz-"* "$dir.new/vmlinuz"
	(cd "$dir.new/package/lib/modules" && echo *) >"$dir.new/version"
}

# Copies a file of this machine to the root, with the directories above it, following no link.
copy() { cp -a --parents -- "$@" "$root/" 2>/dev/null || :; }

# with_libraries: copies what the programs and libraries below the root are linked against.
with_libraries() {
	local before=-1 after=0
	while [ "$before" != "$after" ]; do
		before=$after
		find "$root" -type f \( -perm -u+x -o -name '*.so*' \) -exec sh -c '
			for f; do ldd "$f" 2>/dev/null; done' sh {} + |
			sed -nE 's/^\s*(.* => )?(\/[^ ]+) \(0x.*/\2/p' | sort -u | while read -r lib; do
			# The loader asks for /lib/...; the file lives below /usr.
			for f in "$lib" "$(readlink -f "$lib")"; do
				f=/usr/${f#/usr/}
				[ ! -e "$f" ] || [ -e "$root$f" ] || copy "$f"
			done
		done
		after=$(find "$root" | wc -l)
	done
}

make_root() { # a fresh $root, with the links of a merged /usr
	root=$(mktemp -d "$build/vm/root.XXXXXX")
	chmod 0755 "$root"
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{proc,sys,dev,run,tmp,etc,root,var/lib,var/log,mnt}
	local d
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$root/$d"; done
	ln -s ../run "$root/var/run"
}

pack() { # pack archive: $root, and removes it
	(cd "$root" && find . -print0 | cpio --null --quiet -o -H newc) >"$1.new"
	mv "$1.new" "$1"
	rm -rf "$root"
}

make_tools() { # make_tools archive: the same for each kernel
	local f files
	make_root
	files=$(for p in $packages; do dpkg -L "$p" 2>/dev/null || :; done |
		grep -vE '^/usr/share/|/perl|/__pycache__|/(test|idlelib|lib2to3|ensurepip|pydoc_data)/' | sort -u)
	while read -r f; do
		[ -d "$f" ] && [ ! -L "$f" ] && continue
		case $f in /bin/* | /sbin/* | /lib/* | /lib64/*) f=/usr$f ;; esac
		copy "$f"
	done <<<"$files"
	for f in awk nft; do
		[ -e "$root/usr/bin/$f" ] || [ ! -e "/usr/bin/$f" ] || cp -L "/usr/bin/$f" "$root/usr/bin/$f"
	done
	[ ! -e /usr/lib/x86_64-linux-gnu/libgcc_s.so.1 ] || copy /usr/lib/x86_64-linux-gnu/libgcc_s.so.1
	with_libraries
	printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\ntcpdump:x:100:65534::/:/bin/false\n' >"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	copy /etc/iproute2 /etc/protocols /etc/services
	cp "$here/init" "$root/init"
	chmod 0755 "$root/init"
	pack "$1"
}

make_modules() { # make_modules directory
	local version m f
	version=$(cat "$1/version")
	make_root
	depmod -b "$1/package" "$version"
	for m in $modules; do
		modprobe -d "$1/package" -S "$version" --show-depends "$m" 2>/dev/null || :
	done | sed -nE "s|^insmod [^ ]*(/lib/modules/[^ ]*).*|\1|p" | sort -u | while read -r f; do
		mkdir -p "$root/usr$(dirname "$f")"
		cp "$1/package$f" "$root/usr$f"
	done
	cp "$1/package/lib/modules/$version/modules."{builtin,order,builtin.modinfo} \
		"$root/usr/lib/modules/$version/"
	depmod -b "$root" "$version"
	pack "$1/modules.cpio"
}

# What is in wgx.cpio: wgx, its own libraries, and the tests' tools, under the paths they have here
wgx=${WGX:-$build/wgx}
wgx_parts=("$wgx" "$build/selftests/tools" "$top/selftests/tools" "$here/image.sh")

make_wgx() { # make_wgx archive
	make_root
	mkdir -p "$root/wgx/build/selftests" "$root/wgx/selftests"
	cp "$wgx" "$root/wgx/build/wgx"
	cp -a "$build/selftests/tools" "$root/wgx/build/selftests/"
	find "$root/wgx/build/selftests" -name '*.[od]' -delete
	cp -a "$top/selftests/tools" "$root/wgx/selftests/"
	find "$root/wgx/build" -type f -exec strip --strip-debug {} + 2>/dev/null || :
	copy "$(command -v wireguard-go || :)"
	with_libraries
	cpio --quiet -t <"$build/vm/tools.cpio" | while read -r f; do [ ! -f "$root/$f" ] || rm "$root/$f"; done
	pack "$1"
	echo "$wgx" >"$1.of"
}

wgx_is_made() { # wgx_is_made archive: of this wgx, and newer than all its parts
	[ -e "$1" ] && [ "$(cat "$1.of" 2>/dev/null)" = "$wgx" ] &&
		[ -z "$(find "${wgx_parts[@]}" -type f -newer "$1" -print -quit)" ]
}

mkdir -p "$build/vm"
exec 9>"$build/vm/lock"
flock 9
if [ ! -e "$dir/version" ] || [ ! -e "$dir/vmlinuz" ]; then
	fetch_kernel
	rm -rf "$dir"
	mv "$dir.new" "$dir"
fi
[ -e "$dir/vmlinux" ] || "$here/vmlinux.py" "$dir/vmlinuz" "$dir/vmlinux" >&2 || :
stale() { [ ! -e "$1" ] || [ "$here/image.sh" -nt "$1" ] || [ "$here/init" -nt "$1" ]; }
! stale "$dir/modules.cpio" || make_modules "$dir"
! stale "$build/vm/tools.cpio" || make_tools "$build/vm/tools.cpio"
wgx_is_made "$build/vm/wgx.cpio" || make_wgx "$build/vm/wgx.cpio"
echo "$dir"
