#!/bin/bash
# SPDX-License-Identifier: MIT
# Managers of networks and the devices that wgx makes: with the files of deploy/ they leave them alone, and
# what one without them may do to wg0 does no harm. systemd-udevd, systemd-networkd and NetworkManager are the
# real ones, in a test host of their own; where they are not installed packages are unpacked under build/.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
#	  wgx-rx
#	  systemd-udevd, systemd-networkd, NetworkManager
. "$(dirname "$0")/../lib.sh"
require wg jq ethtool
require_wgx

DEPLOY=$TOP/deploy
NETWORKD=/lib/systemd/systemd-networkd
MAC=02:77:67:78:00:01
trap 'rm -rf "$BUILD"/packages/*.new; cleanup' EXIT

# unpacked NAME PACKAGE ...: is there, under build/packages/NAME
unpacked() {
	local root=$BUILD/packages/$1
	[ ! -d "$root" ] || return 0
	command -v apt-get >/dev/null || return
	rm -rf "$root.new" && mkdir -p "$root.new" || return
	(cd "$root.new" && timeout 100 apt-get -qq -o APT::Sandbox::User=root download "${@:2}" &&
		for f in *.deb; do dpkg -x "$f" . && rm "$f" || exit; done) >/dev/null 2>&1 && mv "$root.new" "$root"
}

# udevadm_find: the program that is systemd-udevd as well, and the rules and .link files beside it
udevadm_find() {
	UDEV_ROOT=
	[ -e /lib/systemd/systemd-udevd ] || { unpacked udev udev && UDEV_ROOT=$BUILD/packages/udev; } || return
	UDEVADM=$UDEV_ROOT/bin/udevadm
	"$UDEVADM" --version >/dev/null 2>&1
}
# nm_find: NetworkManager, and its libraries
NM=()
nm_find() {
	local root=
	[ -x /usr/sbin/NetworkManager ] || { root=$BUILD/packages/networkmanager && unpacked networkmanager \
		network-manager libnm0 libndp0 libteamdctl0 libmm-glib0 libbluetooth3; } || return
	NM=(env DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/bus
		"LD_LIBRARY_PATH=$root/usr/lib/$(uname -m)-linux-gnu" "$root/usr/sbin/NetworkManager")
	command -v dbus-daemon >/dev/null && "${NM[@]}" --version >/dev/null 2>&1
}

address_of() { on A cat "/sys/class/net/$1/address"; }
# settings DEV: what a manager could change
settings() {
	on A ip -o -d link show dev "$1" | grep -oE '(mtu|link/ether|addrgenmode) [^ ]+|NOARP|MULTICAST|altname.*'
	on A ip -o addr show dev "$1" | awk '{ print $3, $4 }'
	on A sh -c "ip route show dev $1; ip -6 route show dev $1" | grep -v 'multicast'
	on A sh -c "cat /proc/sys/net/ipv6/conf/$1/accept_ra /proc/sys/net/ipv6/conf/$1/disable_ipv6"
}
works() { ping_ok A 10.7.0.2 && ping_ok A fd07::2 && ping_ok B 10.7.0.1; }
accelerated() {
	local before
	before=$(wgx_json A '.attached[0].counters.steered_frames')
	file_copy B A 10.7.0.1 2 && [ "$(wgx_json A '.attached[0].counters.steered_frames')" -gt "$before" ]
}

#--- one that knows nothing of wgx
check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
check 'a tunnel' works
check_equal 'wg0 has the address that the files name' "$(address_of wg0)" $MAC
check_equal 'and wgx-rx has it too' "$(address_of wgx-rx)" $MAC
for file in 05-wgx.network 05-wgx.link 86-wgx.rules; do
	check "$file names it" grep -q $MAC "$DEPLOY/$file"
done
on A ip link set wg0 address 02:00:00:00:00:99
check 'another MAC address' works
check 'another MAC address: accelerated' accelerated
on A ip link set wgx-rx address 02:00:00:00:00:98
check 'another MAC address of wgx-rx' accelerated
on A sh -c 'ip link set wg0 down; ip link set wg0 address 02:00:00:00:00:97; ip link set wg0 up'
addr A wg0 fd07::1/64
check 'down, another MAC address, up' works
on A sh -c 'ip addr flush dev wg0; ip addr add 10.7.0.1/24 dev wg0; ip addr add fd07::1/64 dev wg0'
check 'addresses flushed, and set again' works
on A ip link set wg0 addrgenmode eui64 multicast on allmulticast on promisc on txqueuelen 1000
check 'a link-local address, multicast, promiscuous' works
on A sh -c 'for f in accept_ra autoconf accept_dad; do echo 1 >/proc/sys/net/ipv6/conf/wg0/$f; done
	echo 0 >/proc/sys/net/ipv6/conf/wgx-rx/disable_ipv6; echo 2 >/proc/sys/net/ipv4/conf/wg0/rp_filter'
check 'IPv6 settings as by default' works
on A ethtool -K wg0 tso off gso off tx off sg off gro off >/dev/null 2>&1
check 'offloads off' works
check 'offloads off: TCP' file_copy A B 10.7.0.2 2
on A sh -c 'ethtool -k wg0 | sed -n "s/^ *\([a-z-]*\): off$/\1/p" | while read -r f; do ethtool -K wg0 $f on; done' >/dev/null 2>&1
check 'all offloads on' works
check 'all offloads on: TCP' file_copy A B 10.7.0.2 2
check 'all offloads on: TCP back' file_copy B A fd07::1 2
on A ip link set wgx-rx down
check 'wgx-rx down' works
on A ip link set wgx-rx up
check 'wgx-rx up: accelerated' accelerated
on A ip link del wgx-rx
check 'wgx-rx deleted: another is made' wait_for 10 on A ip link show wgx-rx
check 'wgx-rx deleted: accelerated' accelerated
host_del A B

#--- systemd-networkd with a file that means every Ethernet device, and so veth
greedy() { # greedy A [deploy]: where networkd and udevd of this host look
	on "$1" mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases \
		/run/systemd/netif/lldp /run/udev/rules.d
	on "$1" chown -R systemd-network /run/systemd/netif
	printf '[Match]\nType=ether\n[Network]\nIPv6AcceptRA=no\nAddress=10.99.0.1/24\n' |
		on "$1" sh -c 'cat >/run/systemd/network/50-greedy.network'
	printf '[Match]\nDriver=veth\n[Link]\nNamePolicy=keep\nMACAddressPolicy=persistent\nMTUBytes=1300\n' |
		on "$1" sh -c 'cat >/run/systemd/network/50-greedy.link'
	[ -z "${2:-}" ] || on "$1" cp "$DEPLOY/05-wgx.network" "$DEPLOY/05-wgx.link" /run/systemd/network/
	[ -z "${2:-}" ] || on "$1" cp "$DEPLOY/86-wgx.rules" /run/udev/rules.d/
}
managed_as() { # managed_as DEV configured|unmanaged
	on A grep -qx "ADMIN_STATE=$2" "/run/systemd/netif/links/$(on A cat "/sys/class/net/$1/ifindex")"
}
has_greedy() { grep -q ' 10\.99\.0\.1/' <<<"$(on A ip -o addr show dev "$1")"; }

networkd() { spawn A networkd env SYSTEMD_LOG_LEVEL=info SYSTEMD_LOG_TARGET=console $NETWORKD; }

# Read-only, /sys tells networkd that there is no udevd to wait for.
read_only_sys() { on A mount -o remount,ro,bind /sys; }

if [ ! -x $NETWORKD ] || ! id -u systemd-network >/dev/null 2>&1; then
	skip 'systemd-networkd' 'not installed'
else
	underlay_pair
	greedy A
	read_only_sys
	impl_up A wg0 wgx
	on A ip link set wg0 up
	networkd
	check 'networkd without the files takes wg0' wait_for 20 has_greedy wg0
	host_del A B

	check 'set up' tunnel_pair wgx wgx 4 no || finish
	greedy A deploy
	read_only_sys
	check 'attach' attach_pair wgx wgx
	before=$(settings wg0) rx=$(settings wgx-rx)
	networkd
	check 'networkd with them takes eth0' wait_for 20 has_greedy eth0
	check 'but not wg0' wait_for 10 managed_as wg0 unmanaged
	check 'nor wgx-rx' wait_for 10 managed_as wgx-rx unmanaged
	check 'nor a wg1 that comes later' impl_up A wg1 wgx
	check 'wg1' wait_for 10 managed_as wg1 unmanaged
	check_equal 'wg0 is as it was' "$(settings wg0)" "$before"
	check_equal 'wgx-rx is as it was' "$(settings wgx-rx)" "$rx"
	check 'the tunnel works' works
	check 'and is accelerated' accelerated
	stop networkd
	check_equal 'wg0 is as it was when networkd ends' "$(settings wg0)" "$before"
	host_del A B
fi

#--- systemd-udevd, and networkd with it
# udevd: with few rules, none of which is about other devices, and a /dev of its own
udevd() {
	local rules=$WORK/rules r
	mkdir -p "$rules"
	for r in 75-net-description 80-net-setup-link 85-nm-unmanaged; do
		[ ! -e "$UDEV_ROOT/lib/udev/rules.d/$r.rules" ] || cp "$UDEV_ROOT/lib/udev/rules.d/$r.rules" "$rules/"
	done
	on A mkdir -p /usr/lib/udev/rules.d
	on A mount --bind "$rules" /usr/lib/udev/rules.d
	on A sh -c 'mount -t tmpfs -o mode=0755 tmpfs /dev && mknod -m 666 /dev/null c 1 3 &&
		mknod -m 666 /dev/zero c 1 5 && mknod -m 666 /dev/urandom c 1 9'
	# shellcheck disable=SC2016
	spawn A udevd bash -c 'exec -a systemd-udevd "$1" --children-max=2' sh "$UDEVADM"
	wait_for 10 on A test -S /run/udev/control
}
udev_says() { # udev_says DEV LINE
	on A grep -qxF "E:$2" "/run/udev/data/n$(on A cat "/sys/class/net/$1/ifindex")"
}
if ! udevadm_find; then
	skip 'systemd-udevd' 'not installed, and not to be had'
elif [ ! -d /usr/lib/udev/rules.d ]; then
	skip 'systemd-udevd' 'no /usr/lib/udev/rules.d to put rules over'
else
	underlay_pair
	greedy A
	check 'udevd' udevd
	impl_up A wg0 wgx
	check 'udevd without the files sets what the greedy one says' \
		wait_for 20 udev_says wg0 ID_NET_LINK_FILE=/run/systemd/network/50-greedy.link
	host_del A B

	underlay_pair
	greedy A deploy
	check 'udevd, with the files' udevd
	[ ! -x $NETWORKD ] || networkd
	impl_up A wg0 wgx
	on A ip link set wg0 up
	check 'attach' impl_attach A eth0 wgx
	for dev in wg0 wgx-rx; do
		check "$dev: our .link file" wait_for 20 udev_says $dev \
			ID_NET_LINK_FILE=/run/systemd/network/05-wgx.link
		check "$dev: NetworkManager is told to leave it" wait_for 20 udev_says $dev NM_UNMANAGED=1
		check_equal "$dev: its address stays" "$(address_of $dev)" $MAC
		[ ! -x $NETWORKD ] || check "$dev: networkd leaves it" wait_for 20 managed_as $dev unmanaged
	done
	check_equal 'wg0: MTU' "$(on A cat /sys/class/net/wg0/mtu)" 1420
	on A ip link add veth9 type veth peer name veth8
	check 'another veth is not ours' wait_for 20 udev_says veth9 \
		ID_NET_LINK_FILE=/run/systemd/network/50-greedy.link
fi

#--- NetworkManager with a connection that means every Ethernet device
# nm A: with a system bus of its own, and an /etc in which nothing can be written
nm() {
	on "$1" sh -c 'mount --bind /etc /etc && mount -o remount,ro,bind /etc' || return
	on "$1" mkdir -p -m 0700 /run/nm/conf.d /run/nm/connections
	on "$1" sh -c 'umask 077; cat >/run/nm/connections/greedy.nmconnection' <<-'END'
		[connection]
		id=greedy
		uuid=0b0a55f1-4bb8-4e63-8ef0-9d3a4a6a0a01
		type=ethernet
		multi-connect=3
		[ipv4]
		method=manual
		address1=10.99.0.1/24
		[ipv6]
		method=ignore
	END
	on "$1" sh -c 'cat >/run/nm/nm.conf' <<-'END'
		[main]
		plugins=keyfile
		dns=none
		rc-manager=unmanaged
		hostname-mode=none
		[keyfile]
		path=/run/nm/connections
	END
	on "$1" sh -c 'cat >/run/bus.conf' <<-'END'
		<busconfig>
			<type>system</type>
			<listen>unix:path=/run/bus</listen>
			<policy context="default">
				<allow user="*"/><allow own="*"/><allow send_type="method_call"/>
				<allow send_destination="*"/><allow receive_sender="*"/>
			</policy>
		</busconfig>
	END
	spawn "$1" bus dbus-daemon --nofork --nosyslog --config-file=/run/bus.conf
	wait_for 10 on "$1" test -S /run/bus || return
	spawn "$1" nm "${NM[@]}" --debug --log-level=INFO --config=/run/nm/nm.conf --config-dir=/run/nm/conf.d \
		--system-config-dir=/run/nm/none --intern-config=/run/nm/intern.conf --state-file=/run/nm/state \
		--pid-file=/run/nm/pid
}
idle_link() { link A "$1" B "$1"; } # one without addresses

# left_alone A DEV ...: NetworkManager has taken another device, which came later
left_alone() {
	local dev
	idle_link "idle$((IDLE += 1))"
	check "$LABEL: takes another device" wait_for 20 has_greedy "idle$IDLE"
	for dev in "${@:2}"; do
		check "$LABEL: but not $dev" not has_greedy "$dev"
	done
}
IDLE=0

[ -z "${HOST_PID[A]:-}" ] || host_del A B
if ! nm_find; then
	skip 'NetworkManager' 'not installed, and not to be had'
else
	LABEL='NetworkManager without udev'
	underlay_pair
	read_only_sys
	impl_up A wg0 wgx
	on A ip link set wg0 up
	check "$LABEL" nm A
	check "$LABEL: takes wg0" wait_for 20 has_greedy wg0
	host_del A B

	check 'set up' tunnel_pair wgx wgx 4 no || finish
	check 'attach' attach_pair wgx wgx
	before=$(settings wg0) rx=$(settings wgx-rx)
	read_only_sys
	on A mkdir -p -m 0700 /run/nm/conf.d
	on A cp "$DEPLOY/NetworkManager.conf" /run/nm/conf.d/10-wgx.conf
	printf '[keyfile]\nunmanaged-devices+=interface-name:wg1;interface-name:wg0\n' |
		on A sh -c 'cat >/run/nm/conf.d/20-names.conf'
	check "$LABEL, with the file, and names" nm A
	impl_up A wg1 wgx
	on A ip link set wg1 up
	left_alone A wg0 wgx-rx wg1
	check_equal 'wg0 is as it was' "$(settings wg0)" "$before"
	check_equal 'wgx-rx is as it was' "$(settings wgx-rx)" "$rx"
	check 'the tunnel works' works
	check 'and is accelerated' accelerated
	stop nm
	# It ends by setting addrgenmode to eui64, whosever the device is.
	check_equal 'wg0 is as it was when NetworkManager ends' \
		"$(settings wg0 | grep -v addrgenmode)" "$(grep -v addrgenmode <<<"$before")"
	check 'the tunnel works' works
	host_del A B
fi

if [ ${#NM[@]} = 0 ] || [ -z "${UDEVADM:-}" ]; then
	skip 'NetworkManager with udev' 'not installed, and not to be had'
else
	LABEL='NetworkManager with udev'
	for rules in no yes; do
		underlay_pair
		on A mkdir -p /run/udev/rules.d
		[ $rules = no ] || on A cp "$DEPLOY/86-wgx.rules" /run/udev/rules.d/
		check "$LABEL: udevd" udevd
		impl_up A wg0 wgx
		on A ip link set wg0 up
		impl_attach A eth0 wgx
		check "$LABEL" nm A
		if [ $rules = no ]; then
			check "$LABEL: takes wg0" wait_for 20 has_greedy wg0
		else
			left_alone A wg0 wgx-rx
		fi
		host_del A B
	done
fi

#--- the service
if command -v systemd-analyze >/dev/null && [ -e /lib/systemd/system/wg-quick@.service ]; then
	[ -n "${HOST_PID[A]:-}" ] || host_add A
	on A mkdir -p /run/systemd/system/wg-quick@.service.d
	on A cp "$DEPLOY/wg-quick@.service.d/wgx.conf" /run/systemd/system/wg-quick@.service.d/
	verify() {
		on A systemd-analyze --man=no verify wg-quick@wg0.service 2>&1 | grep wgx.conf
		return 0
	}
	check_equal 'wg-quick@.service: systemd finds no fault' "$(verify)" ''
	echo 'Nonsense=1' | on A sh -c 'cat >>/run/systemd/system/wg-quick@.service.d/wgx.conf'
	check 'and would' test -n "$(verify)"
else
	skip 'wg-quick@.service' 'no systemd-analyze, or no such service'
fi
finish
