# _hk_value SPEC: completes a value, whose fields are between semicolons in SPEC and
# between colons on the line.
_hk_value()
{
	local -a fields words
	local kinds
	local -i n=1 ret=1
	fields=("${(@s.;.)1}")
	while compset -P 1 '*:'; do
		((n++))
	done
	((n <= $#fields)) || return 1
	kinds=${fields[n]%% *}
	[[ ${fields[n]} == *' '* ]] && words=(${(s. .)fields[n]#* })
	[[ $kinds == *l* ]] && compset -P '*,'
	(($#words)) && compadd -a words && ret=0
	[[ $kinds == *f* ]] && _files && ret=0
	[[ $kinds == *d* ]] && _files -/ && ret=0
	[[ $kinds == *u* ]] && _users && ret=0
	[[ $kinds == *g* ]] && _groups && ret=0
	[[ $kinds == *c* ]] && _command_names -e && ret=0
	return ret
}

# _hk_dashed completes a command after --, or what comes before it.
_hk_dashed()
{
	if ((_hk_dash)); then
		_command_names -e
	else
		compadd -- -- completion
	fi
}

_hk()
{
	local -a specs
	local curcontext=$curcontext state line
	local -i _hk_dash=${words[(I)--]}
	local name=${service:t}
	if [[ $name == hk-run && ${words[2]} == completion ]] && ((CURRENT > 2)); then
		if ((CURRENT == 3)); then
			compadd -a _hk_shells
		else
			compadd -a _hk_programs
		fi
		return
	fi
	_hk_specs $name || return
	# _arguments finds nothing after a -- that comes first.
	if [[ ${words[2]} == -- ]] && ((CURRENT > 2)); then
		words[2]=()
		((CURRENT--))
	fi
	_arguments -s -S -A '-*' : $specs
}
