# Print what bash completes for lines, split as readline splits them.
source ./hk
player_words() { COMPREPLY=($(compgen -W '--loud --soft' -- "$2")); }
complete -F player_words player
ask()
{
	local text=$1
	COMP_LINE=$1 COMP_POINT=${#1}
	COMP_WORDS=()
	while [[ $text =~ ^\ *([^ =:]+|[=:])(.*)$ ]]; do
		COMP_WORDS+=("${BASH_REMATCH[1]}")
		text=${BASH_REMATCH[2]}
	done
	[[ $1 == *' ' ]] && COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_hk "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
	printf '%s\n' "# $1" "${COMPREPLY[@]}"
}
for line; do
	ask "$line"
done
