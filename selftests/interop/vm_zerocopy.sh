#!/bin/bash
# SPDX-License-Identifier: MIT
# AF_XDP with zero-copy, in virtio_net: QEMU writes messages into the chunks that the open worker reads, and sends from
# those that the seal worker writes. That of Linux 6.12 lacks some of it; here is one that does not (vm/virtio_net.sh).
#
#	V (Linux 6.12) wg0 10.7.0.1, fd07::1 -- eth0 .1, .11 ==== tap0 .2, .12 -- wg0 10.7.0.2, fd07::2 H
#	               virtio_net, two queues      192.0.2.0/24, 2001:db8::/64
#	                                        eth1 ==== tap1   without the DMA API: no zero-copy
. "$(dirname "$0")/../lib.sh"
KERNEL=6.12
. "$SELFTESTS/interop/vm/smoke.inc"
VM_NIC_OF[tap1]=$VM_NIC
VM_NIC+=,iommu_platform=on,disable-legacy=on # VIRTIO_F_ACCESS_PLATFORM: the driver maps memory for the device
TAPS='tap0 tap1'

zero_copy() { # zero_copy label
	check "$1: attach" wgx V attach eth0 --mode native || return
	check_equal "$1: on both queues" "$(sockets)" '2/2 '
	check_equal "$1: mode in" "$(mode_of mode_in)" 'native XDP → AF_XDP, zero-copy'
	check "$1: ping" ping_ok V 10.7.0.2
}

vm_require $KERNEL
VM_OVERLAY=("$(BUILD=$BUILD "$VM_DIR/virtio_net.sh" 2>"$WORK/overlay.log")") || skip_all "$(tail -n 1 "$WORK/overlay.log")"
check 'set up' set_up || finish
check 'ping' ping_ok V 10.7.0.2

#--- zero-copy
attached native 'native XDP → AF_XDP, zero-copy' --transmit
check 'native: and left by it' test "$(wgx_counter V wg0 xdp_tx_packets)" -gt 300
check_equal 'native: no frame was lost' "$(wgx_drops V wg0)" ''
check_equal 'zero-copy: on both queues' "$(sockets)" '2/2 '
native_queues
narrow native
#--- the device is reset
on V ip link set eth0 down
on V ip link set eth0 up
check 'down and up: ping' ping_ok H 10.7.0.1
check_equal 'down and up: zero-copy' "$(sockets)" '2/2 '
check 'wgx restart' wgx V restart
check_equal 'wgx restart: zero-copy' "$(sockets)" '2/2 '
check 'wgx restart: ping' ping_ok V 10.7.0.2
detached native
check 'socket again' ping_ok V 10.7.0.2
#--- not wanted, and back
check '--copy: attach' wgx V attach eth0 --mode native --copy
check_equal '--copy: sockets' "$(sockets)" '0/2 as asked for'
check '--copy: ping' ping_ok V 10.7.0.2
detached '--copy'
zero_copy 'again'
#--- a driver that says so and cannot
on V ip link set eth1 up
check_equal 'eth1: attach' "$(wgx V attach eth1 --mode native)" \
	$'eth1: attached, mode native\neth1: AF_XDP in copy mode: Invalid argument'
check_equal 'eth1: sockets' "$(sockets)" '0/2 Invalid argument'
check 'eth1: detach' wgx V detach eth1
check 'delete' on V ip link delete wg0
check 'the daemon ends' wait_for 10 not on V pgrep -x wgx
kernel_content
finish
