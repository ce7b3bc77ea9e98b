# SPDX-License-Identifier: Apache-2.0
# bash completion for vipd

_vipd() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    case $before in
        -f | -p | -r | -c | -g) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        -S) mapfile -t COMPREPLY < <(compgen -W "0 1 2 3 4 5 6 7 user daemon" -- "$word") ;;
        *)
            # What it says of itself, so that this list is never older than the program.
            local options
            options=$(vipd --help 2>/dev/null | grep -oE -- '--[a-z_-]+=?')
            mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
            ;;
    esac
}
complete -o nospace -F _vipd vipd
