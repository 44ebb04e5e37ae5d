#!/bin/bash
# SPDX-License-Identifier: MIT
# The completions of bash, zsh and fish, in these shells: commands, options, interfaces, peers, files.
#
#	A wg0, wg1, with peers    (one host is enough)
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg
require_wgx

COMPLETIONS=$TOP/deploy/completions
mkdir "$WORK/bin" && cp "$WGX" "$WORK/bin/wgx"
for n in wgconfig wg-keygen wg-userspace; do ln -s wgx "$WORK/bin/$n"; done
export PATH=$WORK/bin:$PATH
host_add A

check 'wg0' wgx A wg0 || finish
check 'wg1' wgx A wg1
key=$(wg genkey | wg pubkey)
other=$(wg genkey | wg pubkey)
on A wg set wg0 peer "$key" peer "$other"
wgx A name wg0 "$key" bob
on A sh -c "mkdir -p $WORK/dir && touch $WORK/dir/file1 $WORK/dir/file2"

# What each shell makes of a line, one candidate a line, sorted. A line ends where the cursor is.

# shellcheck disable=SC2016
in_bash() {
	on A bash --norc --noprofile -c '
		. "$1"
		compopt() { :; } # there is no readline here
		COMP_LINE=$2 COMP_POINT=${#2}
		complete -p wgx wgconfig >/dev/null || exit
		_wgx
		printf "%s\n" "${COMPREPLY[@]}"' bash "$COMPLETIONS/wgx.bash" "$1" | sort
}

in_zsh() {
	on A env DUMP="$WORK/zcompdump" zsh -f "$SELFTESTS/tools/complete.zsh" "$COMPLETIONS" "$1" | sort
}

in_fish() {
	on A env HOME="$WORK/home" XDG_CONFIG_HOME="$WORK/home" XDG_DATA_HOME="$WORK/home" fish --no-config -c \
		"source $COMPLETIONS/wgx.fish; complete -C '$1'" | cut -f1 | sort
}

# same NAME shell LINE CANDIDATE ...
same() {
	local name=$1 shell=$2 line=$3
	shift 3
	check_equal "$shell: $name" "$("in_$shell" "$line" | xargs)" "$(printf '%s\n' "$@" | sort | xargs)"
}

for shell in bash zsh fish; do
	if ! command -v $shell >/dev/null; then
		skip "$shell" "needs $shell"
		continue
	fi
	check_equal "$shell: all commands" "$("in_$shell" 'wgx ' | xargs)" \
		"$(wgx A __complete wgx '' | cut -f1 | sort | xargs)"
	same 'the beginning of one' $shell 'wgx de' detach
	same 'options' $shell 'wgx show --' --drops --json --help
	same 'the rest of them' $shell 'wgx show --drops --' --json --help
	same 'the values of one' $shell 'wgx attach --mode n' native none
	same 'interfaces' $shell 'wgx show ' wg0 wg1
	same 'what may follow' $shell 'wgx show wg0 ' peer
	same 'peers, by name and key' $shell 'wgx show wg0 peer ' bob "$key" "$other"
	same 'of that interface' $shell 'wgx show wg1 peer '
	same 'the beginning of a key' $shell "wgx name wg0 ${key:0:9}" "$key"
	same 'wgconfig' $shell 'wgconfig wg0 show p' peer private-key
	same 'its peers' $shell 'wgconfig wg0 delete peer b' bob
	same 'files' $shell "wgx boot wg0 $WORK/dir/f" "$WORK/dir/file1" "$WORK/dir/file2"
	same 'nothing of a wrong line' $shell 'wgx nonsense '
done

# On a terminal, with a tab: what stands on the line then.
term() { on A env -u TMUX HOME="$WORK/home" XDG_CONFIG_HOME="$WORK/home" XDG_DATA_HOME="$WORK/home" tmux -S "$WORK/tmux" "$@"; }
declare -A START=([bash]="bash --norc --noprofile" [zsh]="zsh -f" [fish]="fish --no-config")
declare -A SOURCE=([bash]="PS1='$ '; . $COMPLETIONS/wgx.bash"
	[zsh]="PS1='$ '; fpath=($COMPLETIONS \$fpath); autoload -Uz compinit; compinit -u -d $WORK/zcompdump"
	[fish]="function fish_prompt; echo '$ '; end; source $COMPLETIONS/wgx.fish")
on_screen() { grep -qF -- "$1" <<<"$(term capture-pane -p -t s)"; }
tab() { # tab LINE RESULT
	term send-keys -t s C-u
	term send-keys -t s -l -- "$1" && term send-keys -t s Tab
	wait_for 20 on_screen "$ $2" || { term capture-pane -p -t s && return 1; }
}
for shell in bash zsh fish; do
	if ! command -v $shell >/dev/null || ! command -v tmux >/dev/null; then
		skip "$shell: on a terminal" "needs $shell and tmux"
		continue
	fi
	term new-session -d -s s -x 200 -y 24 "${START[$shell]}"
	term send-keys -t s -l -- "${SOURCE[$shell]}; clear; echo rea''dy" && term send-keys -t s Enter
	check "$shell: starts" wait_for 20 on_screen ready
	check "$shell: a command" tab 'wgx deta' 'wgx detach'
	check "$shell: a peer" tab 'wgx show wg0 peer b' 'wgx show wg0 peer bob'
	check "$shell: a file" tab "wgx boot wg0 $WORK/dir/fi" "wgx boot wg0 $WORK/dir/file"
	check "$shell: an option's value" tab 'wgx attach --mode na' 'wgx attach --mode native'
	check "$shell: wgconfig" tab 'wgconfig wg0 del' 'wgconfig wg0 delete'
	term kill-session -t s
done

check 'bash: the file behind an =' [ "$(in_bash "wgconfig wg0 add peer x $key --preshared-key=$WORK/dir/file1" | xargs)" = \
	"$WORK/dir/file1" ]
on A ip link del wg0
on A ip link del wg1
check 'no daemon: no interfaces, no error' [ -z "$(in_bash 'wgx show ' 2>&1)" ]
finish
