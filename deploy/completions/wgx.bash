# SPDX-License-Identifier: MIT
# bash: completes wgx, wgconfig, wg-keygen and wg-userspace. wgx itself knows what may come next.

_wgx() {
	local line word wgx=wgx words
	# bash breaks words at '=' and ':'; wgx does not
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=('')
	[[ ${words[0]##*/} != wgx ]] || wgx=${words[0]}
	word=${words[-1]}
	COMPREPLY=()
	while IFS= read -r line; do
		if [[ $line == @files ]]; then
			compopt -o filenames
			while IFS= read -r line; do
				COMPREPLY+=("$line")
			done < <(compgen -f -- "${word##*[=:]}")
		else
			line=${line%%$'\t'*}
			[[ $line != *= ]] || compopt -o nospace
			COMPREPLY+=("${line#"${word%"${word##*[=:]}"}"}")
		fi
	done < <("$wgx" __complete "${words[@]}" 2>/dev/null)
}

complete -F _wgx wgx wgconfig wg-keygen wg-userspace
