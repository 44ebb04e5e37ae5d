#!/bin/bash
# SPDX-License-Identifier: MIT
# Every command with every kind of wrong argument: one line on stderr that names the problem, nothing on stdout, status
# 2 for usage and 1 for failure, and nothing has changed. --help everywhere; what is printed is the same when piped.
#
#	A wg0, one peer, eth0 ======== eth0 -- B
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg jq
require_wgx

host_add A B
link A eth0 B eth0
addr A eth0 192.0.2.1/24
check 'wg0' wgx A wg0 || finish
key=$(wg genkey | wg pubkey)
on A wg set wg0 peer "$key"
wgx A name wg0 "$key" b >/dev/null
mkdir "$WORK/programs"
cp "$WGX" "$WORK/programs/wgx"
for n in wgconfig wg-keygen wg-userspace; do ln -s wgx "$WORK/programs/$n"; done

# program NAME argument ...: on A, with what could be read from stdin empty
program() { on A timeout 20 "$WORK/programs/$1" "${@:2}" </dev/null; }
state() {
	on A sh -c 'ls /sys/class/net /run/wireguard; ls -R /etc/wireguard /var/lib/wgx 2>/dev/null; wg show all dump'
	wgx_json A '[.attached, .interfaces[].peers[].name]'
}
state >"$WORK/before"

declare -A TRIED=() # commands that have been given something wrong
# wrong STATUS TEXT PROGRAM [argument ...]: TEXT is in the one line that it prints
wrong() {
	TRIED[$3]=1
	[ "$3" != wgx ] || TRIED[wgx ${4:-}]=1
	check "${*:3}" wrong_ "$@"
}
wrong_() { # by the shell alone: there are many
	local want=$1 text=$2 status=0 err
	shift 2
	program "$@" >"$WORK/out" 2>"$WORK/err" || status=$?
	err=$(<"$WORK/err")
	echo "$err"
	[ $status = "$want" ] || { echo "status $status, not $want" && return 1; }
	[ ! -s "$WORK/out" ] || { echo 'which is on stdout, too' && return 1; }
	[[ $err == *"$text"* ]] || { echo "which does not say $text" && return 1; }
	[[ $err =~ ^$1(\ [a-z]+)?:\  ]] || { echo "which does not begin with $1" && return 1; }
	[[ $err != *[[:cntrl:]]* ]] || { echo 'which is not one line, or has control characters' && return 1; }
	[[ $want = 1 || $err =~ \(see\ \'$1\ [a-z\ -]+\'\)$ ]] || { echo 'which does not say where to look' && return 1; }
}
usage() { wrong 2 "$@"; }
failure() { wrong 1 "$@"; }
long=abcdefghijklmnop # one byte more than the kernel takes

#--- wgx IFACE
usage 'no interface or command given' wgx
usage "unknown option '--nonsense'" wgx --nonsense
usage "unknown option '-x'" wgx -x
usage "unknown option '-x'" wgx wg1 -x
usage "unexpected 'wg2'" wgx wg1 wg2
usage "'show' is a command" wgx -f show
usage 'no interface' wgx -f
usage "option '--foreground=yes' takes no value" wgx --foreground=yes wg1
usage "'$long' is too long" wgx $long
usage "contains '/'" wgx a/b
usage 'is empty' wgx ''
usage 'contains white space' wgx $'a\nb'
usage "'?[31m'" wgx $'\e[31m' wg1
usage 'UTF-8' wgx $'\xff'
failure 'eth0' wgx eth0
failure 'wg0' wgx wg0

#--- up, down
for c in up down; do
	usage 'no interface or file given' wgx $c
	usage "unexpected 'wg2'" wgx $c wg1 wg2
	usage "unknown option '--nonsense'" wgx $c --nonsense wg1
	usage "unknown option '-x'" wgx $c -x
	usage "'$long' is too long" wgx $c $long
	usage "'./wg1.txt'" wgx $c ./wg1.txt
	failure '/etc/wireguard/nosuch0.conf: No such file' wgx $c nosuch0
	failure './nosuch0.conf: No such file' wgx $c ./nosuch0.conf
done

#--- attach, detach
for c in attach detach; do
	usage 'no device given' wgx $c
	usage "unexpected 'eth1'" wgx $c eth0 eth1
	usage "unknown option '--nonsense'" wgx $c eth0 --nonsense
	usage "unknown option '-x'" wgx $c -x eth0
	usage "'$long' is too long" wgx $c $long
	usage 'is empty' wgx $c ''
	failure 'nosuch0' wgx $c nosuch0
done
failure 'eth0: not attached' wgx detach eth0
for o in --mode --exempt --protect; do
	usage "option '$o' needs a value" wgx attach eth0 $o
done
for o in --strict --report --transmit; do
	usage "option '$o=1' takes no value" wgx attach eth0 $o=1
done
for m in warp '' TCX; do
	usage "mode '$m' is none of" wgx attach eth0 --mode "$m"
	usage "router path '$m' is none of" wgx attach eth0 --lan="$m"
done
usage '--mode none means nothing' wgx attach eth0 --mode none
for o in --exempt=10.0.0.0/8 --protect=10.0.0.0/8 --report; do
	usage "${o%=*} means nothing without --strict" wgx attach eth0 $o
done
for o in exempt protect; do
	usage "option '--$o' needs a network" wgx attach eth0 --strict --$o ''
	usage "'10.0.0.0/33'" wgx attach eth0 --strict --$o 10.0.0.0/33
	usage "'0.0.0.0/0' would" wgx attach eth0 --strict --$o 0.0.0.0/0
done
failure 'wg0' wgx attach wg0

#--- restart
usage "unexpected 'wg0'" wgx restart wg0
usage "unknown option '--nonsense'" wgx restart --nonsense

#--- show, top, monitor, metrics, doctor
for c in show top monitor; do
	usage "unexpected 'nonsense'" wgx $c wg0 nonsense
	usage "unknown option '--nonsense'" wgx $c --nonsense
	usage "unknown option '-x'" wgx $c -x
	usage "'$long' is too long" wgx $c $long
done
usage 'no peer given' wgx show wg0 peer
usage "unexpected 'more'" wgx show wg0 peer b more
usage 'not both' wgx show --drops --json
usage "option '--json=1' takes no value" wgx show --json=1
usage 'is no public key' wgx show wg0 peer 'a b'
failure "no peer has the name 'c'" wgx show wg0 peer c
failure 'nosuch0' wgx show nosuch0
usage "option '--interval' needs a value" wgx top --interval
for n in 0 3601 x 1.5 -1 ''; do
	usage "'$n'" wgx top --once --interval "$n"
done
usage "'size'" wgx top --once --sort size
usage "option '--once=1' takes no value" wgx top --once=1
failure 'nosuch0' wgx top --once nosuch0
failure 'terminal' wgx top
usage "option '--json=1' takes no value" wgx monitor --json=1
usage "unexpected 'nonsense'" wgx metrics nonsense
usage "unknown option '--nonsense'" wgx metrics --nonsense
usage "option '--listen' needs a value" wgx metrics --listen
for l in '' 127.0.0.1 :9586 127.0.0.1:x 127.0.0.1:65536 ::1:9586 name.example:9586; do
	usage "'$l'" wgx metrics --listen "$l"
done
failure '/nowhere/socket' wgx metrics --listen /nowhere/socket
failure '192.0.2.77' wgx metrics --listen 192.0.2.77:9586
usage "takes no argument: 'nonsense'" wgx doctor nonsense
usage "unknown option '--nonsense'" wgx doctor --nonsense
usage "option '--json=1' takes no value" wgx doctor --json=1

#--- name, boot
usage 'no interface' wgx name
usage 'no peer' wgx name wg0
usage 'no name' wgx name wg0 b
usage "unexpected 'more'" wgx name wg0 b c more
usage "unexpected 'c'" wgx name wg0 b c --none
usage "unknown option '--nonsense'" wgx name wg0 b --nonsense
usage "'a b'" wgx name wg0 b 'a b'
usage "'$long' is too long" wgx name $long b c
failure 'nosuch0' wgx name nosuch0 b c
failure "'nobody'" wgx name wg0 nobody c
usage 'no interface given' wgx boot
usage "unexpected 'more'" wgx boot wg1 /dev/null more
usage "unknown option '--nonsense'" wgx boot --nonsense wg1
usage "'$long' is too long" wgx boot $long
failure '/etc/ifconfig.wg1' wgx boot wg1
failure '/nowhere' wgx boot wg1 /nowhere

#--- agent
agent=(agent --registry=file --registry-dir="$WORK" --node=n --cluster-cidr=10.244.0.0/16 --pod-cidr=10.244.1.0/24)
usage 'no registry' wgx agent
usage "unknown option '--nonsense'" wgx "${agent[@]}" --nonsense
usage "unknown option '-x'" wgx "${agent[@]}" -x
usage "'nonsense'" wgx "${agent[@]}" nonsense
usage "option '--strict=1' takes no value" wgx "${agent[@]}" --strict=1
for o in registry registry-dir kubeconfig state-dir node interface cluster-cidr pod-cidr exempt endpoint listen-port \
	keepalive mtu underlay table rule-priority grace; do
	usage "option '--$o' needs a value" wgx "${agent[@]}" --$o
done
# a wrong value of each: what it is, and what else there has to be in the message
for o in registry=etcd registry-dir= kubeconfig= state-dir= node=a/b interface=$long cluster-cidr=10.0.0.0/33 \
	cluster-cidr=0.0.0.0/0 pod-cidr=x exempt=0/0 endpoint=nowhere endpoint=a:0 endpoint=a:x endpoint=::x:1 \
	listen-port=0 listen-port=65536 listen-port=x keepalive=65536 mtu=x mtu=1 table=0 table=x \
	rule-priority=0 rule-priority=32766 grace=-1; do
	usage "${o%%=*}" wgx "${agent[@]}" --$o
done
usage "device name 'a/b'" wgx "${agent[@]}" --underlay=a/b
usage '--pod-cidr 10.99.0.0/24 is not within' wgx "${agent[@]}" --pod-cidr=10.99.0.0/24
usage 'kubeconfig' wgx "${agent[@]}" --kubeconfig=/nowhere
for c in status peers plan rotate; do
	usage "unexpected 'more'" wgx agent $c more
	usage "unknown option '--nonsense'" wgx agent $c --nonsense
	failure 'no agent runs for wg0' wgx agent $c
done

#--- keys, help
for c in genkey pubkey genpsk; do
	usage "takes no argument: 'more'" wgx $c more
	usage "takes no argument: '--nonsense'" wgx $c --nonsense
done
failure 'key' wgx pubkey
usage "no command is called 'nonsense'" wgx help nonsense
usage "unexpected 'up'" wgx help show up

#--- NetBSD's
usage 'no interface given' wgconfig
usage "'$long' is too long" wgconfig $long
usage "'show nonsense'" wgconfig wg0 show nonsense
usage "'nonsense'" wgconfig wg0 nonsense
usage "'--nonsense'" wgconfig wg0 --nonsense
failure 'nosuch0' wgconfig nosuch0
usage "unexpected 'more'" wgconfig wg0 show all more
usage "unexpected 'more'" wgconfig wg0 show private-key more
usage 'no peer given' wgconfig wg0 show peer
usage "unexpected '--nonsense'" wgconfig wg0 show peer b --nonsense
failure "'c'" wgconfig wg0 show peer c
usage 'no file given' wgconfig wg0 set private-key
failure '/nowhere' wgconfig wg0 set private-key /nowhere
usage 'no port given' wgconfig wg0 set listen-port
usage "'0'" wgconfig wg0 set listen-port 0
usage 'no name given' wgconfig wg0 add peer
usage 'no public key given' wgconfig wg0 add peer c
usage "'x'" wgconfig wg0 add peer c x
for o in --nonsense --nonsense=1 --endpoint= --endpoint=a --endpoint=a:0 --allowed-ips= --allowed-ips=x --preshared-key=; do
	usage '' wgconfig wg0 add peer c "$key" $o
done
failure '/nowhere' wgconfig wg0 add peer c "$(wg genkey | wg pubkey)" --preshared-key=/nowhere
failure 'already' wgconfig wg0 add peer b "$(wg genkey | wg pubkey)"
usage 'no peer given' wgconfig wg0 delete peer
failure "'c'" wgconfig wg0 delete peer c
usage "unexpected 'more'" wgconfig wg0 delete peer b more
usage "'--nonsense'" wg-keygen --nonsense
usage "unexpected '--psk'" wg-keygen --pub --psk
failure 'key' wg-keygen --pub
usage 'no id given' wg-userspace
usage "'x'" wg-userspace x create
usage "'99999999999999'" wg-userspace 99999999999999 create
usage 'no command given' wg-userspace 0
usage "'nonsense'" wg-userspace 0 nonsense
usage "unexpected 'more'" wg-userspace 1 create more
usage "unexpected 'more'" wg-userspace 1 destroy more
failure 'wg1' wg-userspace 1 destroy
usage "'wg1'" wg-userspace 0 ifconfig wg1 up
usage 'nonsense' wg-userspace 0 ifconfig wg0 nonsense
usage '10.0.0.0/33' wg-userspace 0 ifconfig wg0 inet 10.0.0.0/33
usage 'no interface given' wg-userspace 0 wgconfig
usage 'no command given' wg-userspace 0 debug
failure '/nowhere' wg-userspace 0 debug /nowhere

state >"$WORK/after"
check 'nothing has changed by all that' diff "$WORK/before" "$WORK/after"

#--- every command was among these, and has a help
mapfile -t commands < <(program wgx help | sed -n '/^Commands:/,/^$/ s/^  \([a-z]*\) .*/\1/p')
check 'wgx help lists commands' [ ${#commands[@]} -ge 15 ]
first_line() { head -n 1 "$1"; }
# helps NAME [wgx] COMMAND ...: --help prints what `wgx help NAME` does, whatever else is there
helps() {
	local name=$1 args
	shift
	[ "${TRIED[$*]:-}" ] || { echo "nothing wrong was tried of $*" && return 1; }
	program wgx help "$name" >"$WORK/help" 2>"$WORK/err" || return
	[ "$(first_line "$WORK/help" | cut -d' ' -f1-$(($# + 1)))" = "Usage: $*" ] && [ ! -s "$WORK/err" ] || return
	for args in --help -h '--nonsense --help' 'a b --help'; do
		# shellcheck disable=SC2086
		program "$@" $args >"$WORK/out" 2>"$WORK/err" || { echo "$* $args: status $?" && cat "$WORK/err" && return 1; }
		cmp "$WORK/help" "$WORK/out" && [ ! -s "$WORK/err" ] || { echo "$* $args" && return 1; }
	done
}
for c in "${commands[@]}"; do
	check "wgx $c: --help" helps "$c" wgx "$c"
done
for c in wgconfig wg-keygen wg-userspace; do
	check "$c: --help" helps $c $c
done
check 'wg-userspace debug: --help is the command'\''s' sh -c \
	"nsenter -t ${HOST_PID[A]} -a $WORK/programs/wg-userspace 0 debug ls --help | grep -q 'Usage: ls'"
check 'wgx --help' sh -c "$WGX --help | grep -q '^Commands:'"
for c in wgx wgconfig wg-keygen wg-userspace; do
	check_equal "$c --version" "$(program $c --version | cut -d' ' -f1)" wgx
done

#--- what is printed: where it cannot be, that is said; without colours, and the same each time
# printed ARGUMENT ...: wgx ...
printed() {
	local status=0
	on A sh -c 'exec "$@" >/dev/full' sh "$WORK/programs/$1" "${@:2}" 2>"$WORK/err" </dev/null || status=$?
	cat "$WORK/err"
	[ $status = 1 ] && grep -q 'No space left on device' "$WORK/err" && [ "$(wc -l <"$WORK/err")" = 1 ] ||
		{ echo "a full device: status $status" && return 1; }
	on A env TERM=xterm-256color CLICOLOR_FORCE=1 FORCE_COLOR=1 "$WORK/programs/$1" "${@:2}" </dev/null |
		grep -n $'\e' && return 1
	return 0
}
for c in 'wgx help' 'wgx help show' 'wgx show' 'wgx show --drops' 'wgx show --json' 'wgx show wg0 peer b' \
	'wgx top --once' 'wgx metrics --once' 'wgx doctor' 'wgx doctor --json' 'wgx genkey' 'wgx genpsk' 'wgx --version' \
	'wgconfig wg0' 'wgconfig wg0 show peer b' 'wg-keygen' 'wg-userspace 0 ifconfig wg0'; do
	# shellcheck disable=SC2086
	check "piped: $c" printed $c
done
same_twice() { cmp <(program "$@") <(program "$@"); }
for c in 'wgx help' 'wgx show' 'wgx show --drops' 'wgconfig wg0'; do
	# shellcheck disable=SC2086
	check "the same twice: $c" same_twice $c
done
finish
