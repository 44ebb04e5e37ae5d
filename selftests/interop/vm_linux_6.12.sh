#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx on Debian's Linux 6.12, with tcx and superframes: every mode, virtio_net in native XDP.
#
#	V (Linux 6.12) wg0 10.7.0.1, fd07::1 -- eth0 .1, .11 ==== tap0 .2, .12 -- wg0 10.7.0.2, fd07::2 H
#	               virtio_net, two queues      192.0.2.0/24, 2001:db8::/64      wgx, then wireguard-go
. "$(dirname "$0")/../lib.sh"
KERNEL=6.12
MODE='tcx → generic XDP → AF_XDP superframes'
MODE_TCX='tcx → collector → AF_XDP superframes'
. "$SELFTESTS/interop/vm/smoke.inc"
smoke
