#!/bin/bash
# SPDX-License-Identifier: MIT
# The underlays that this machine's kernel may not have (netns/underlay.sh skips them): a VLAN, a bond that
# changes over from one device to the other, a VRF; wgx attached to them. The peer is the Linux driver.
#
#	V (Linux 6.12, no network outside)
#	   wg0 10.7.0.1 (wgx) -- UNDERLAY 192.0.2.1    192.0.2.2 br0 -- wg0 10.7.0.2 (driver) namespace P
#	                          u0 ============================ p0 |
#	                          u1 ============================ p1 |
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/interop/vm/vm.inc"
require_wgx
KERNEL=6.12
vm_require $KERNEL

setup() {
	host_add H
	vm_start V $KERNEL H
	vm_put V <(underlay_functions) /tmp/underlay.inc
	inside 'for m in veth bridge 8021q "bonding max_bonds=0" vrf wireguard; do modprobe $m || exit; done
		ip netns add P && ip -n P link add br0 type bridge && ip -n P link set br0 up &&
			ip -n P addr add 192.0.2.2/24 dev br0 || exit
		for n in 0 1; do
			ip link add u$n type veth peer name p$n netns P && ip link set u$n up &&
				ip -n P link set p$n master br0 up || exit
		done
		umask 077
		wg genkey >/tmp/V; wg genkey >/tmp/P
		in_P ip link add wg0 type wireguard &&
			in_P wg set wg0 listen-port 51820 private-key /tmp/P peer $(wg pubkey </tmp/V) allowed-ips 10.7.0.1/32 &&
			ip -n P addr add 10.7.0.2/24 dev wg0 && ip -n P link set wg0 up || exit
		build/wgx wg0 &&
			wg set wg0 listen-port 51820 private-key /tmp/V peer $(wg pubkey </tmp/P) endpoint 192.0.2.2:51820 \
				allowed-ips 10.7.0.2/32 && ip addr add 10.7.0.1/24 dev wg0 && ip link set wg0 up'
}

inside() { vm_sh V ". /tmp/underlay.inc; $1"; }

# what each line that is run inside knows
underlay_functions() {
	cat <<'END'
in_P() { nsenter --net=/run/netns/P "$@"; }
steered() { build/wgx show --json | jq '[.attached[].counters.steered_frames] | add // 0'; }
# passes: a ping, and a file from P, SHA-256
passes() {
	local sum
	ping -q -i 0.1 -c 3 -w 20 10.7.0.2 || return
	rm -f /tmp/sum
	timeout 60 socat -u TCP-LISTEN:7000,reuseaddr STDOUT | sha256sum >/tmp/sum &
	until ss -Htln 'sport = :7000' | grep -q .; do sleep 0.05; done
	sum=$(head -c 500000 /dev/urandom | tee >(in_P timeout 60 socat -u STDIN TCP:10.7.0.1:7000) | sha256sum)
	wait
	cat /tmp/sum
	[ "$(cat /tmp/sum)" = "$sum" ]
}
# accelerated: and it comes by the attached device
accelerated() {
	local before
	before=$(steered)
	passes && echo "steered $before, then $(steered)" && [ "$(steered)" -gt $((before + 100)) ]
}
END
}

attached() { # attached LABEL DEV
	check "$1: attach" inside "build/wgx attach $2"
	check "$1: accelerated" inside accelerated
}

check 'set up' setup || finish

inside 'ip link add link u0 name u0.7 type vlan id 7; ip link set u0.7 up; ip addr add 192.0.2.1/24 dev u0.7
	ip -n P link add link p0 name p0.7 type vlan id 7; ip -n P link set p0 nomaster
	ip -n P link set p0.7 master br0 up'
check 'VLAN: attach the device below' inside 'build/wgx attach u0'
check 'VLAN: the tunnel lives by the socket, for a tag is what wgx does not judge' inside passes
check 'VLAN: detach the device below' inside 'build/wgx detach u0'
attached VLAN u0.7
inside 'build/wgx detach u0.7; ip link del u0.7; ip -n P link del p0.7; ip -n P link set p0 master br0'

inside 'ip link add bond0 type bond mode active-backup miimon 50
	for d in u0 u1; do ip link set $d down; ip link set $d master bond0; ip link set $d up; done
	ip link set bond0 up; ip addr add 192.0.2.1/24 dev bond0; ip link set bond0 type bond active_slave u0'
attached bond bond0
check 'bond: the active device goes down' inside 'ip link set u0 down
	for i in $(seq 100); do ! grep -qx u1 /sys/class/net/bond0/bonding/active_slave || exit 0; sleep 0.1; done; exit 1'
check 'bond: accelerated by the other one' inside accelerated
check 'bond: detach' inside 'build/wgx detach bond0'
inside 'ip link del bond0; ip link set u0 up; ip link set u1 up'

# A VRF has routes of its own, to which wg0's mark leads.
inside 'ip link add vrf0 type vrf table 10; ip link set vrf0 up; ip link set u0 master vrf0
	ip addr add 192.0.2.1/24 dev u0; sysctl -qw net.ipv4.udp_l3mdev_accept=1
	ip rule add fwmark 77 table 10; wg set wg0 fwmark 77'
check 'VRF: no way to the peer but there' inside '! ip route get 192.0.2.2'
check 'VRF: the tunnel lives by the socket' inside passes
attached VRF u0
check 'VRF: unplugged' inside 'ip link del u0
	until build/wgx show | grep -qx "awaited: u0"; do sleep 0.1; done'
check 'VRF: and back' inside 'ip link add u0 type veth peer name p0 netns P; ip link set u0 master vrf0 up
	ip -n P link set p0 master br0 up; ip addr add 192.0.2.1/24 dev u0
	until build/wgx show | grep -qx "attached: u0"; do sleep 0.1; done'
check 'VRF: accelerated again' inside accelerated
check_equal 'the kernel complains of nothing' \
	"$(vm_sh V "dmesg | grep -E 'Oops|WARNING:|general protection|refcount|unregister_netdevice'")" ''
finish
