#compdef insanely
# zsh completion of insanely:  . <(insanely completion zsh)
_insanely() {
	local -a candidates
	candidates=(${(f)"$("${words[1]}" completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
	compadd -a candidates
}
if [ "$funcstack[1]" = _insanely ]; then
	_insanely "$@"
else
	compdef _insanely insanely
fi
