# SPDX-License-Identifier: MIT
# fish: completes wgx, wgconfig, wg-keygen and wg-userspace. wgx itself knows what may come next.

function __wgx_complete
    set -l typed (commandline -opc)
    set -l word (commandline -ct)
    set -l wgx wgx
    string match -qr '(^|/)wgx$' -- $typed[1]; and set wgx $typed[1]
    for line in (command $wgx __complete $typed "$word" 2>/dev/null)
        if test "$line" = @files
            __fish_complete_path "$word"
        else
            echo $line
        end
    end
end

for program in wgx wgconfig wg-keygen wg-userspace
    complete -c $program -f -a '(__wgx_complete)'
end
