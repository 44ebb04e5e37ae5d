#!/bin/zsh -f
# SPDX-License-Identifier: MIT
# complete.zsh COMPLETIONS LINE: what zsh's own completion system offers where LINE ends, one candidate a line. An
# interactive zsh on a terminal of its own gets the line and a tab; what is to be listed is written down on the way.
# DUMP=FILE: where it may keep what its own search for completions has found.
zmodload zsh/zpty || exit
work=$(mktemp -d) || exit
# $work/offered gets the candidates, $work/end is there when that is all of them
cat >$work/setup <<-'END'
	PS1= RPS1=
	unsetopt prompt_sp
	autoload -Uz compinit && compinit -u -d $dump
	compadd() {
		if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
			builtin compadd "$@"
			return
		fi
		local -a hits hidden=()
		builtin compadd -O hits "$@"
		zparseopts -E -D -a hidden p:
		(( $#hits )) && print -rl -- $IPREFIX${hidden[2]}${^hits} >>$work/offered
		return $(( ! $#hits ))
	}
	all() { _main_complete; : >$work/end }
	zle -C all complete-word all
	bindkey '^I' all
	: >$work/ready
END
# there FILE: within a minute; what the shell prints is read, or it would stand still
there() {
	for ((i = 0; i < 1200; i++)); do
		zpty -r -t z nothing
		[[ -e $1 ]] && return
		sleep 0.05
	done
	return 1
}
zpty z zsh -f -i
zpty -w z "work=${(q)work} dump=${(q)${DUMP:-$work/dump}} fpath=(${(q)1} \$fpath); source ${(q)work}/setup"
there $work/ready && zpty -n -w z $2$'\t' && there $work/end
result=$?
zpty -d z
[[ ! -e $work/offered ]] || cat $work/offered
rm -rf $work
exit $result
