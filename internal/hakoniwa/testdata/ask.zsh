# Print what zsh completes for lines, in a shell of its own with a terminal.
zmodload zsh/zpty
zpty -b z zsh -f -i
cat >setup.zsh <<'END'
PS1= PS2=
fpath=($PWD/fpath $fpath)
autoload -Uz compinit
compinit -D -u
_player() { _arguments --loud --soft }
compdef _player player
compadd() {
	local -a _hits
	[[ " ${@[1,(i)(-|--)]}" == *\ -[OAD]* ]] || {
		builtin compadd -O _hits "$@"
		(($#_hits)) && print -rl -- $_hits >>found
	}
	builtin compadd "$@"
}
ask() { zle complete-word; BUFFER=; print >done }
zle -N ask
bindkey '^I' ask
print >ready
END
# wait-for FILE: one of the other shell's, which may be slow.
wait-for() {
	local -i i
	while [[ ! -e $1 ]]; do
		((i++ < 6000)) || { print -u2 no answer; exit 1 }
		sleep 0.02
	done
}
zpty -w z 'source ./setup.zsh'
wait-for ready
for line; do
	rm -f found done
	zpty -n -w z "$line"$'\t'
	wait-for done
	print -r -- "# $line"
	[[ -e found ]] && cat found
done
exit 0
