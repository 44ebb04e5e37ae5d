#!/bin/bash
# SPDX-License-Identifier: MIT
# Strict mode where its maps are full: what it cannot know it takes for everything, so all plaintext is dropped.
#
#	P 10.1.0.2, fd01::2 -- eth1 A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 -- wg0 10.7.0.2, 10.8.0.1 B
#	                              fd07::1            2001:db8::1        2001:db8::2         fd07::2, fd08::1
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/strict.inc"
require wg jq socat python3
require_wgx

all_plaintext() { [ "$(wgx_json A '.attached[0].strict.all_plaintext')" = "$1" ]; }
no_answer() { not on A ping -q -c 2 -i 0.1 -W 0.2 -w 1 192.0.2.2; }
set_of() { on A socat -t 120 - UNIX-CONNECT:/run/wireguard/wg0.sock <"$1"; }

check 'set up' setup 4 || finish
check 'attach, strict, with an exemption' wgx A attach eth0 --strict --exempt 2001:db8::/64
check 'plaintext passes' ping_ok A 192.0.2.2

#--- more allowed IPs than a map takes
python3 - "$(pub_of B wg0)" >"$WORK/million" <<'END'
import base64, sys
print("set=1\npublic_key=" + base64.b64decode(sys.argv[1]).hex())
for i in range(1048577):
    print("allowed_ip=%d.%d.%d.%d/32" % (20 + (i >> 24), i >> 16 & 255, i >> 8 & 255, i & 255))
print()
END
check_equal 'more than a million allowed IPs' "$(set_of "$WORK/million")" errno=0
check 'show has it' all_plaintext true
check 'all plaintext is dropped' no_answer
check 'but for what is exempt' ping_ok A 2001:db8::2
check 'the tunnel works' ping_ok A 10.7.0.2
check 'another interface' impl_up A wg1 wgx
check 'wg0 is deleted' on A ip link del wg0
check 'all is known again' wait_for 60 all_plaintext false
check 'plaintext passes' ping_ok A 192.0.2.2

#--- more interfaces than there are slots
check '128 interfaces more' on A sh -c "for i in \$(seq 2 129); do '$WGX' wg\$i || exit; done"
check 'show has it' all_plaintext true
check 'all plaintext is dropped' no_answer
check 'one is deleted' on A ip link del wg5
check 'the last has its place' wait_for 60 all_plaintext false
check 'plaintext passes' ping_ok A 192.0.2.2
key_for A wg129
on A wg set wg129 private-key "$WORK/A.wg129.key" peer "$(pub_of B wg0)" allowed-ips 192.0.2.2/32
check "what is in the last interface's allowed IPs does not" no_answer
finish
