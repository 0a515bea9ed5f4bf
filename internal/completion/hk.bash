# _hk_words joins the words that COMP_WORDBREAKS has split, up to the cursor, in words.
# first has the index in COMP_WORDS of the first part of each, and place where it starts in
# COMP_LINE.
_hk_words()
{
	local line=${COMP_LINE:0:COMP_POINT} i w blank
	words=() first=() place=()
	for ((i = 0; i <= COMP_CWORD; i++)); do
		blank=
		while [[ $line == [[:blank:]]* ]]; do
			line=${line#?} blank=1
		done
		w=${COMP_WORDS[i]}
		((i < COMP_CWORD)) || w=$line
		if ((i == 0)) || [[ $blank ]]; then
			first+=("$i") place+=("$((COMP_POINT - ${#line}))") words+=("$w")
		else
			words[${#words[@]} - 1]+=$w
		fi
		line=${line#"$w"}
	done
}

# _hk_reply CANDIDATE...: offers them for the current word. Readline replaces only what
# follows the last character at which it has split the word.
_hk_reply()
{
	local cut=${cur%"${cur##*[=:]}"} c
	[[ $COMP_WORDBREAKS == *[=:]* ]] || cut=
	for c; do
		COMPREPLY+=("${c#"$cut"}")
	done
}

# _hk_value SPEC BEFORE TEXT: completes a value, of which TEXT is there after BEFORE.
_hk_value()
{
	local spec=${1#\?} before=$2 text=$3 field c
	local -a found=()
	while [[ $text == *:* ]]; do
		before+=${text%%:*}: text=${text#*:}
		[[ $spec == *:* ]] || return 0
		spec=${spec#*:}
	done
	field=${spec%%:*}
	if [[ ${field%% *} == *l* && $text == *,* ]]; then
		before+=${text%,*}, text=${text##*,}
	fi
	[[ ${field%% *} == *f* ]] && mapfile -t -O ${#found[@]} found < <(compgen -f -- "$text")
	[[ ${field%% *} == *d* ]] && mapfile -t -O ${#found[@]} found < <(compgen -d -- "$text")
	[[ ${field%% *} == *u* ]] && mapfile -t -O ${#found[@]} found < <(compgen -u -- "$text")
	[[ ${field%% *} == *g* ]] && mapfile -t -O ${#found[@]} found < <(compgen -g -- "$text")
	[[ ${field%% *} == *c* ]] && mapfile -t -O ${#found[@]} found < <(compgen -c -- "$text")
	[[ $field == *' '* ]] && mapfile -t -O ${#found[@]} found < <(compgen -W "${field#* }" -- "$text")
	if [[ ${field%% *} == *[fd]* ]]; then
		compopt -o filenames 2>/dev/null
		for c in "${!found[@]}"; do
			# Readline does not know a directory after other text.
			if [[ -d ${found[c]} && ${found[c]} != */ ]]; then
				found[c]+=/
				((${#found[@]} > 1)) || compopt -o nospace 2>/dev/null
			fi
		done
	fi
	_hk_reply "${found[@]/#/$before}"
}

# _hk_payload INDEX: completes as the shell does for the command that is word INDEX.
_hk_payload()
{
	local at=${first[$1]} name=${words[$1]} spec f
	if declare -F _command_offset >/dev/null; then
		_command_offset "$at"
		return
	fi
	COMP_LINE=${COMP_LINE:${place[$1]}}
	((COMP_POINT -= place[$1], COMP_CWORD -= at))
	COMP_WORDS=("${COMP_WORDS[@]:at}")
	spec=$(complete -p -- "$name" 2>/dev/null || complete -p -- "${name##*/}" 2>/dev/null)
	if [[ $spec =~ \ -F\ ([^[:blank:]]+) ]]; then
		f=${BASH_REMATCH[1]}
		"$f" "$name" "$cur" "${COMP_WORDS[COMP_CWORD - 1]}"
	elif [[ $spec =~ \ -W\ \'([^\']*)\' ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${BASH_REMATCH[1]}" -- "$cur")
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}

# _hk_prog INDEX: completes the words of the program that is word INDEX, or sets next to
# the index of the word that it executes.
_hk_prog()
{
	local prog=${words[$1]##*/} i=$(($1 + 1)) n=$((${#words[@]} - 1)) w dashed=
	next=
	if [[ $_hk_prints == *" $prog "* && ${words[i]} == completion ]] && ((i < n)); then
		((i + 1 == n)) && _hk_value "- $_hk_shells" '' "$cur" || _hk_value "- $_hk_programs" '' "$cur"
		return
	fi
	for (( ; i < n; i++)); do
		w=${words[i]}
		case $w in
		--)
			dashed=1
			((i++))
			break
			;;
		--*=*) ;;
		-?*)
			[[ $w == --* ]] || w=-${w: -1}
			if _hk_spec "$prog" "$w" && [[ $_hk_r != \?* ]]; then
				((i + 1 == n)) && { _hk_value "$_hk_r" '' "$cur"; return; }
				((i++))
			fi
			;;
		*) break ;;
		esac
	done
	if ((i < n)); then
		next=$i
	elif [[ ! $dashed && $cur == --*=* ]]; then
		_hk_spec "$prog" "${cur%%=*}" && _hk_value "$_hk_r" "${cur%%=*}=" "${cur#*=}"
	elif [[ ! $dashed && $cur == -* ]]; then
		_hk_flags "$prog"
		mapfile -t COMPREPLY < <(compgen -W "$_hk_r" -- "$cur")
		[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
	elif [[ ! $dashed && $_hk_dashes == *" $prog "* ]]; then
		_hk_flags "$prog"
		mapfile -t COMPREPLY < <(compgen -W "$_hk_r --" -- "$cur")
		if [[ $_hk_prints == *" $prog "* ]] && ((i == $1 + 1)); then
			mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W completion -- "$cur")
		fi
	else
		_hk_value c '' "$cur"
	fi
}

_hk()
{
	local -a words first place
	local cur next=0 _hk_r
	COMPREPLY=()
	_hk_words
	cur=${words[${#words[@]} - 1]}
	while [[ $next ]]; do
		if _hk_flags "${words[next]##*/}"; then
			_hk_prog "$next"
		else
			_hk_payload "$next"
			return
		fi
	done
}
