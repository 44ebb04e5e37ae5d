#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx top on a terminal, which is tmux: 80 by 24 and other sizes, every key, a daemon that ends and comes back, and the
# terminal as it was in the end, also by a signal. And for scripts: --once, and no terminal.
#
#	A wg0 10.7.0.1 -- eth0 ==== eth0 -- wg0 10.7.0.2 B
#	  and 40 peers more
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg jq tmux
require_wgx

term() { on A env -u TMUX tmux -S "$WORK/tmux" "$@"; }
keys() { term send-keys -t top "$@"; }
screen() { term capture-pane -p -t top; }
# shows PATTERN: some line matches; line N PATTERN: the N-th does; last PATTERN
shows() { grep -qE -- "$1" <<<"$(screen)"; }
line() { grep -qE -- "$2" <<<"$(screen | sed -n "${1}p")"; }
soon() { # soon TEXT command ...: what is on the screen where it does not come
	check "$1" wait_for 30 "${@:2}" || screen | diag
}

host_add A
check 'no daemon' fails_with 1 \
	'wgx: no wgx daemon runs in this network namespace; create an interface first: wgx wg0' wgx A top --once
host_del A

check 'a tunnel' tunnel_pair wgx wgx 4 no || finish
wgx A name wg0 "$(pub_of B wg0)" B
for i in {10..49}; do
	key=$(wg genkey | wg pubkey)
	on A wg set wg0 peer "$key" allowed-ips "10.8.0.$i/32"
	wgx A name wg0 "$key" "p$i"
done
check 'ping' ping_ok A 10.7.0.2
spawn A pings ping -q -i 0.05 -s 1000 10.7.0.2

# ---- for scripts ----

no_terminal() { wgx A top </dev/null | cat; }
check 'no terminal' fails_with 1 'wgx: top needs a terminal; wgx top --once prints one picture' no_terminal
once() { wgx A top --once "$@" >"$WORK/once"; }
check '--once' once
check_equal 'the sum, threads, wg0, titles and 41 peers' "$(wc -l <"$WORK/once")" 45
with_rate() { once && sed -n 5p "$WORK/once" | grep -E '^B +wg0 +192\.0\.2\.2:51820 +[0-9]+[sm] +[0-9.]+K +[0-9.]+K +0$'; }
check 'B first, with a rate' wait_for 60 with_rate
check 'each thread' grep -qE '^cpu  wgx-seal [0-9]+%  wgx-open [0-9]+%  wgx-protocol [0-9]+%  wgx-control [0-9]+%$' "$WORK/once"
check 'plain' not grep -qP '[^\x20-\x7e]' "$WORK/once"
check_equal '--sort name' "$(wgx A top --once --sort name | sed -n '5,7p' | cut -d' ' -f1 | tr '\n' ' ')" 'B p10 p11 '
check 'one interface' grep -q '^wg0  up, port 51820  41 peers' <(wgx A top wg0 --once)
check 'no such interface' fails_with 1 'wgx: wg7: no such wgx interface in this network namespace' wgx A top wg7 --once
check 'no room for the output' fails_with 1 'wgx: cannot write to standard output: No space left on device' \
	on A sh -c '"$1" top --once >/dev/full' sh "$WGX"

# ---- 80 by 24 ----

term -f /dev/null new-session -d -s top -x 80 -y 24 sh \; set -g status off
keys "stty -g >$WORK/before; '$WGX' top; echo \$? >$WORK/status; stty -g >$WORK/after; echo back" Enter
soon 'it is there' line 1 '^wgx top [0-9:]{8}  1 interface, 41 peers'
soon 'rates' line 5 '^B +wg0 +192\.0\.2\.2:51820 +[0-9]+[sm] +[0-9.]+K +[0-9.]+K +0 +[-_.:=+*#]'
soon 'a line of keys at the bottom' line 24 '^1-19 of 41 by traffic  q quit  s sort  p pause  h help'
check_equal '24 lines' "$(screen | wc -l)" 24
check 'of 80 columns at most' not shows '.{81}'
check 'titles' line 4 '^PEER +IFACE +ENDPOINT +AGE +IN/s +OUT/s DROP/s TRAFFIC$'

# ---- keys ----

keys s
soon 's: by handshake' line 24 ' by handshake '
keys s
soon 's: by drops' line 24 ' by drops '
keys s
soon 's: by name' line 24 ' by name '
check 'in that order' sh -c '[ "$1" = "B p10 p11 " ]' sh "$(screen | sed -n 5,7p | cut -d' ' -f1 | tr '\n' ' ')"
keys Down
soon 'down' line 24 '^2-20 of 41 '
check 'the peers move' line 5 '^p10 '
keys NPage
soon 'page down' line 24 '^21-39 of 41 '
keys NPage
soon 'no further than the end' line 24 '^23-41 of 41 '
check 'the last peer' line 23 '^p49 '
keys Up
soon 'up' line 24 '^22-40 of 41 '
keys PPage
soon 'page up' line 24 '^3-21 of 41 '
keys End
soon 'end' line 24 '^23-41 of 41 '
keys Home
soon 'home' line 24 '^1-19 of 41 '
keys Up
keys s
soon 's: by traffic again' line 24 '^1-19 of 41 by traffic '
keys p
soon 'p: paused' line 1 "^wgx top [0-9:]{8}  PAUSED"
clock=$(screen | sed -n 1p)
sleep 3
check_equal 'the clock stands' "$(screen | sed -n 1p)" "$clock"
keys p
goes_on() { ! shows PAUSED && [ "$(screen | sed -n 1p | cut -c-16)" != "${clock:0:16}" ]; }
soon 'p: it goes on' goes_on
keys h
soon 'h: help' shows '^  q            quit$'
keys h
soon 'h: and back' line 1 '^wgx top [0-9:]{8}'
keys x
soon 'another key does nothing' line 24 '^1-19 of 41 by traffic '

# ---- sizes ----

resized() { term resize-window -t top -x "$1" -y "$2"; }
resized 132 40
soon '132 by 40' line 40 '^1-35 of 41 by traffic '
wide() { grep -qE '^PEER +IFACE +ENDPOINT +AGE .*TRAFFIC' <<<"$(screen | sed -n 4p)" && [ "$(screen | sed -n 4p | wc -c)" -gt 100 ]; }
soon 'the wider one is used' wide
keys End
soon 'the last page' line 40 '^7-41 of 41 '
resized 60 12
soon '60 by 12' line 12 ' of 41 by traffic '
check 'without sparklines' not shows TRAFFIC
check 'no wider' not shows '.{61}'
resized 20 5
soon '20 by 5' line 1 '^wgx top [0-9:]{8}'
resized 5 2
keys h h
resized 80 24
soon '80 by 24 again' line 24 ' of 41 by traffic  q quit'
keys Home
soon 'whole' line 5 '^B +wg0 '

# ---- the daemon ends, and is back ----

on A kill -KILL "$(daemon_pid A wg0)"
soon 'no daemon' line 1 'NO DAEMON'
check 'another' wgx A wg0
soon 'it goes on' line 1 '1 interface, 0 peers'

# ---- the end ----

restored() { [ -s "$WORK/after" ] && cmp "$WORK/before" "$WORK/after"; }
keys q
soon 'q: the terminal is as before' restored
check_equal 'q: exit status' "$(cat "$WORK/status")" 0
soon 'q: the shell is back' shows '^back$'
check 'q: the picture is gone' not shows 'of 0 by traffic'
top_pid() { on A pgrep -P "$(term list-panes -t top -F '#{pane_pid}')"; }
for s in TERM:143 INT:130 HUP:129; do
	rm -f "$WORK/after" "$WORK/status"
	keys "clear; '$WGX' top" Enter
	soon "${s%:*}: it is there" line 1 '^wgx top '
	on A kill -"${s%:*}" "$(top_pid)"
	check "${s%:*}: it ends" wait_for 30 not top_pid
	keys "echo \$? >$WORK/status; stty -g >$WORK/after" Enter
	soon "${s%:*}: the terminal is as before" restored
	check_equal "${s%:*}: exit status" "$(cat "$WORK/status")" "${s#*:}"
done
keys "TERM=nonsense '$WGX' top; echo is \$?" Enter
soon 'a terminal of no known type' shows "^wgx: top: this terminal's type, 'nonsense', is not known"
soon 'fails' shows '^is 1$'

# ---- another locale ----

if grep -qi '^c\.utf-\?8$' <<<"$(on A locale -a)"; then
	on A ip link set wg0 up
	on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key"
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32
	term -u new-session -d -s blocks -x 80 -y 24 env LC_ALL=C.UTF-8 "$WGX" top \; set -g status off
	blocks() { grep -q '[▁▂▃▄▅▆▇█]' <<<"$(term capture-pane -p -t blocks)"; }
	check 'blocks in UTF-8' wait_for 30 blocks
else
	skip 'blocks in UTF-8' 'no such locale'
fi
term kill-server

# ---- mistakes ----

mistake() { check "$1" fails_with 2 "wgx top: $1 (see 'wgx help top')" wgx A top "${@:2}"; }
mistake "one interface at a time: unexpected 'wg1'" wg0 wg1
mistake "interval '0' is not 1 to 3600 seconds" --interval 0
mistake "interval '1.5' is not 1 to 3600 seconds" --interval=1.5
mistake "option '--interval' needs a value" --interval
mistake "sort 'size' is none of traffic, handshake, drops, name" --sort size
mistake "option '--once=1' takes no value" --once=1
mistake "unknown option '-x'" -x
finish
