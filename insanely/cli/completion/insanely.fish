# fish completion of insanely:  insanely completion fish | source
function __insanely_words
	set -l typed (commandline -opc) (commandline -ct)
	$typed[1] completion words -- $typed[2..-1] 2>/dev/null
end
complete -c insanely -f -a '(__insanely_words)'
