# SPDX-License-Identifier: Apache-2.0
# bash completion for vipadm

_vipadm() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $before in
        -t | -u | -r | --tcp-service | --udp-service | --sctp-service | --real-server)
            # The places that the table knows.
            local -a places
            mapfile -t places < <(vipadm -Sn 2>/dev/null | grep -oE -- '-[tur] [^ ]+' | cut -d' ' -f2 | sort -u)
            mapfile -t COMPREPLY < <(compgen -W "${places[*]}" -- "$word")
            ;;
        -s | --scheduler)
            mapfile -t COMPREPLY < <(compgen -W "rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh" -- "$word")
            ;;
        *)
            mapfile -t COMPREPLY < <(compgen -W "--add-service --edit-service --delete-service --clear
                --restore --save --add-server --edit-server --delete-server --list --zero --set --help
                --version --tcp-service --udp-service --sctp-service --fwmark-service --scheduler
                --sched-flags --real-server --gatewaying --ipip --masquerading --weight --connection
                --timeout --daemon --stats --rate --exact --thresholds --persistent-conn --tun-info
                --nosort --numeric" -- "$word")
            ;;
    esac
}
complete -F _vipadm vipadm
