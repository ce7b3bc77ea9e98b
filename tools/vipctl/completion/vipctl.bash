# SPDX-License-Identifier: Apache-2.0
# bash completion for vipctl; goes to /usr/share/bash-completion/completions/vipctl

_vipctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local commands="status flows handover drain undrain failovers upgrade reload metrics version"
	local command="" word
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ " $commands " == *" $word "* ]] && command=$word && break
	done

	case $prev in
	--socket)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--instance)
		# Each instance has a folder of its own with its socket in it.
		local socket
		COMPREPLY=()
		for socket in /run/vipd/*/api.sock; do
			[[ -S $socket ]] || continue
			socket=${socket%/api.sock}
			[[ ${socket##*/} == "$cur"* ]] && COMPREPLY+=("${socket##*/}")
		done
		return
		;;
	--limit | --hold | --wait | --confirm-within)
		return
		;;
	esac

	local words="--json --socket --instance --help"
	case $command in
	"") words+=" --version $commands" ;;
	reload) words+=" --dry-run --confirm --confirm-within" ;;
	flows)
		words+=" --limit client= vip= real= service= protocol= state= synced="
		# "=" separates words in readline: the value is completed by itself.
		[[ $prev == = || $cur == = ]] && case ${COMP_WORDS[COMP_CWORD - 2]} in
		state) words="SYN_RECV ESTABLISHED FIN_WAIT TIME_WAIT CLOSE CLOSE_WAIT" ;;
		protocol) words="TCP UDP" ;;
		synced) words="true false" ;;
		esac
		;;
	handover) words+=" --hold --wait" ;;
	drain | undrain) words+=" real service node --service --limit --no-wait" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _vipctl vipctl
