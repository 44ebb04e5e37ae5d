#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx on Debian's Linux 6.1, without tcx, superframes, USO: every mode, virtio_net in native XDP.
#
#	V (Linux 6.1) wg0 10.7.0.1, fd07::1 -- eth0 .1, .11 ==== tap0 .2, .12 -- wg0 10.7.0.2, fd07::2 H
#	               virtio_net, two queues      192.0.2.0/24, 2001:db8::/64      wgx, then wireguard-go
. "$(dirname "$0")/../lib.sh"
KERNEL=6.1
MODE='clsact → generic XDP → AF_XDP (one packet a frame)'
MODE_TCX='clsact → collector → AF_XDP'
. "$SELFTESTS/interop/vm/smoke.inc"
smoke
