#!/bin/bash
# SPDX-License-Identifier: MIT
# deploy/kubernetes/image/pod-daemon, with the capabilities of deploy/kubernetes and no others, in a cgroup of which all
# is killed, as a runtime does at a pod's end: wg0 outlives it, and the next pod takes it over. And the agent, with its
# one capability.
#
#	A wg0 10.7.0.1 -- eth0 ==== eth0 -- wg0 10.7.0.2 B
#	  pod-daemon wg0 in a cgroup, /proc/sys read-only
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/agent.inc"
require wg jq setpriv
require_wgx

# version 2, wherever it is mounted
CGROUPS=$WORK/cgroup
mkdir "$CGROUPS"
mount -t cgroup2 none "$CGROUPS" 2>/dev/null || skip_all 'there are no cgroups of version 2'
pod=$CGROUPS/wgx-test-$$ keep=$CGROUPS/wgx-test-$$-holder
mkdir "$pod" "$keep" || skip_all 'no cgroup can be made'
[ -e "$pod/cgroup.kill" ] || { rmdir "$pod" && skip_all 'the kernel has no cgroup.kill'; }
cgroups_away() {
	[ ! -e "$pod" ] || { echo 1 >"$pod/cgroup.kill" && wait_for 20 rmdir "$pod"; }
	[ ! -e "$keep" ] || { echo 1 >"$keep/cgroup.kill" && wait_for 20 rmdir "$keep"; }
	umount "$CGROUPS"
}
trap 'cgroups_away; cleanup' EXIT

# capabilities FILE: those that a DaemonSet adds, as setpriv names them
capabilities() {
	awk '/^ *add: \[/ { gsub(/[^A-Z_]/, " "); print; next } /^ *add:$/ { on = 1; next } on && /^ *- [A-Z_]+$/ { print $2; next }
		on && !/^ *#/ { on = 0 }' "$TOP/deploy/kubernetes/base/$1.yaml" | xargs | tr 'A-Z ' 'a-z,'
}
limited() { # limited FILE: a command with these, as the array LIMITED
	local caps c drop=
	caps=,$(capabilities "$1"),
	for c in $(setpriv --list-caps); do
		[ "${caps/",$c,"/}" != "$caps" ] || drop=$drop,-$c
	done
	LIMITED=(setpriv --inh-caps=-all --bounding-set="${drop#,}")
}
pod_up() { # pod_up NAME: in the pod's cgroup, as a runtime starts it
	# shellcheck disable=SC2016
	spawn A "$1" unshare -m sh -c 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
		echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$pod" \
		env PATH="$(dirname "$WGX"):$PATH" WGX_HOLDER_CGROUP="$keep" "${LIMITED[@]}" \
		"$TOP/deploy/kubernetes/image/pod-daemon" wg0
	wait_for 60 kept
}
kept() { grep -q . "$keep/cgroup.procs" && wgx A show wg0; }
index() { on A cat /sys/class/net/wg0/ifindex; }
configure() { on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key" peer "$(pub_of B wg0)" \
	endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32; }

underlay_pair
key_for A wg0 && key_for B wg0
impl_up B wg0 wgx || bail 'no wgx'
on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" peer "$(pub_of A wg0)" allowed-ips 10.7.0.1/32
addr B wg0 10.7.0.2/24
on B ip link set wg0 up

limited daemon
check_equal 'the capabilities are read' "$(capabilities agent)" net_admin
check 'the pod starts' pod_up first || { diag <"$WORK/first.log" && finish; }
check_equal 'it has nothing to say' "$(grep -v '^wgx: ' "$WORK/first.log")" ''
addr A wg0 10.7.0.1/24
on A ip link set wg0 up
check 'wg' configure
check 'ping' ping_ok A 10.7.0.2
check 'attach' wgx A attach eth0 --strict --protect 10.7.0.0/24
was=$(index)

#--- the runtime kills all that is in its cgroup
echo 1 >"$pod/cgroup.kill"
wait "${SPAWN_PID[first]}" 2>/dev/null
check 'the pod has gone' not wgx A show wg0
check_equal 'wg0 has not' "$(index)" "$was"
check 'nor has its address' on A ip addr show dev wg0 to 10.7.0.1/32
check 'nothing is sent' not on A ping -q -c 1 -W 1 10.7.0.2
check 'another pod' pod_up second || { diag <"$WORK/second.log" && finish; }
check_equal 'has the same wg0' "$(index)" "$was"
check 'wg' configure
check 'ping' ping_ok A 10.7.0.2
check_equal 'there is one holder' "$(wc -l <"$keep/cgroup.procs")" 1

#--- it is told to end
stop second TERM
check 'at SIGTERM the daemon ends' not wgx A show wg0
check_equal 'and leaves wg0' "$(index)" "$was"
check 'a third one' pod_up third
check_equal 'has the same' "$(index)" "$was"

#--- the agent, with its own capability, and 64 KB of locked memory
limited agent
mkdir "$WORK/registry"
spawn A agent "${LIMITED[@]}" --no-new-privs prlimit --memlock=65536 "$WGX" agent --registry=file --registry-dir="$WORK/registry" \
	--node=node-a --cluster-cidr=10.244.0.0/16 --pod-cidr=10.244.1.0/24 --state-dir="$WORK/state.A" --daemon=await --strict
check 'the agent is ready' wait_for 40 agents_ready A || { diag <"$WORK/agent.log" && wgx A agent status | diag; }
finish
