package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// badLines are command lines that cannot be, and what the one line about them
// must name.
var badLines = []struct{ line, want string }{
	{"eth0 percent", `percent ""`},
	{"eth0 percent -5", `percent "-5"`},
	{"eth0 percent -0.5", `percent "-0.5"`},
	{"eth0 percent -.5", `percent "-.5"`},
	{"eth0 percent 100.1", `percent "100.1"`},
	{"eth0 percent 200", `percent "200"`},
	{"eth0 percent NaN", `percent "NaN"`},
	{"eth0 percent 1e1", `percent "1e1"`},
	{"eth0 percent 80 90", `"90"`},
	{"eth0 rx percent 101", `percent "101"`},
	{"eth0 both percent x", `percent "x"`},
	{"eth0 tx time 1s", `time "1s"`},
	{"eth0 time 0 0", `time "0 0"`},
	{"eth0 time -1s 1s", `time ON "-1s"`},
	{"eth0 time 1s 1x", `time OFF "1x"`},
	{"eth0 pass 1", `policy "pass 1"`},
	{"eth0 pass pass", `"pass pass"`},
	{"eth0 percetn 80", `"percetn"`},
	{"eth0 PASS", `"PASS"`},
	{"eth0 rx", `policy ""`},
	{"eth0 tx", `policy ""`},
	{"eth0 both", `policy ""`},
	{"eth0 up pass", `"up"`},
	{"eth0 rx tx pass", `"tx"`},
	{"percent 80", `slave "percent"`},
	{"pass", `slave "pass"`},
	{"time 1s 1s", `slave "time"`},
	{"rx percent 80", `slave "rx"`},
	{"both pass", `slave "both"`},
	{"eth0:1 pass", `slave "eth0:1"`},
	{"../eth0 pass", `slave "../eth0"`},
	{". pass", `slave "."`},
	{"abcdefghijklmnop pass", `slave "abcdefghijklmnop"`},
	{"--bogus", `"--bogus"`},
	{"eth0 pass --bogus", `"--bogus"`},
	{"eth0 pass -x", `"-x"`},
	{"eth0 pass --jsn", `"--jsn"`},
	{"---seed 7 eth0 pass", "---seed"},
	{"--=7 eth0 pass", `"--=7"`},
	{"eth0 pass --seed", "--seed"},
	{"eth0 pass --seed x", `flag --seed: invalid value "x"`},
	{"eth0 pass --seed -1", `flag --seed: invalid value "-1"`},
	{"eth0 pass --seed 1.5", `flag --seed: invalid value "1.5"`},
	{"eth0 pass --seed 18446744073709551616", `"18446744073709551616"`},
	{"eth0 pass --seed=", `flag --seed: invalid value ""`},
	{"--seed 7", "--seed: only with a change"},
	{"--seed 7 stats", "--seed: not with stats"},
	{"--judge-neighbours stats", "--judge-neighbours: not with stats"},
	{"--judge-neighbours=maybe eth0", `flag --judge-neighbours: invalid boolean value "maybe": want true or false`},
	{"--seed 7 watch", "--seed: not with watch"},
	{"--seed 7 list", "--seed: not with list"},
	{"completion bash --seed 7", "--seed: not with completion"},
	{"--receive", "--receive: a value is missing"},
	{"--receive some", `flag --receive: invalid value "some": want auto, none or all`},
	{"--receive=", `flag --receive: invalid value "": want auto, none or all`},
	{"--receive ALL eth0 pass", `flag --receive: invalid value "ALL"`},
	{"eth0 rx pass --receive -1", `flag --receive: invalid value "-1"`},
	{"--receive all eth0 rx", `policy ""`},
	{"--receive all percent 80", `slave "percent"`},
	{"--receive all rx percent 80", `slave "rx"`},
	{"--receive all stats", "--receive: not with stats"},
	{"watch --count 1 --interval 10ms --receive all", "--receive: not with watch"},
	{"list --receive all", "--receive: not with list"},
	{"completion bash --receive all", "--receive: not with completion"},
	{"--for", "--for: a value is missing"},
	{"--for 0 eth0 pass", `flag --for: invalid value "0": want a time from 1ms to 8760h`},
	{"--for 10 eth0 pass", `flag --for: invalid value "10"`},
	{"--for -5s eth0 pass", `flag --for: invalid value "-5s"`},
	{"--for 999us eth0 pass", `flag --for: invalid value "999us"`},
	{"--for 8761h eth0 pass", `flag --for: invalid value "8761h"`},
	{"--for 10000000000h eth0 pass", `flag --for: invalid value "10000000000h"`},
	{"--for= eth0 pass", `flag --for: invalid value ""`},
	{"--for soon eth0 pass", `flag --for: invalid value "soon"`},
	{"eth0 pass --confirm 0s", `flag --confirm: invalid value "0s": want a time`},
	{"eth0 pass --confirm -1ms", `flag --confirm: invalid value "-1ms"`},
	{"eth0 pass --confirm 9000h", `flag --confirm: invalid value "9000h"`},
	{"--for 10m", "--for: only with a change"},
	{"--confirm 10m", "--confirm: only with a change"},
	{"--for 10m --seed 7", "--seed: only with a change"},
	{"--for 10m stats", "--for: not with stats"},
	{"--confirm 10m watch", "--confirm: not with watch"},
	{"--for 10m list", "--for: not with list"},
	{"--for 10m confirm", "--for: not with confirm"},
	{"--confirm 10m confirm", "--confirm: not with confirm"},
	{"confirm all", `confirm "all": takes no words`},
	{"confirm --seed 7", "--seed: not with confirm"},
	{"log 5", `log "5": takes no words`},
	{"log --for 1s", "--for: not with log"},
	{"rule --for 10m", "--for: only with a change"},
	{"rules save --confirm 10m", "--confirm: only with a change"},
	{"completion bash --for 1s", "--for: not with completion"},
	{"rule del x --for 0", `flag --for: invalid value "0"`},
	{"--wait", "--wait"},
	{"--wait 5", `flag --wait: invalid value "5"`},
	{"--wait -5s", `flag --wait: invalid value "-5s"`},
	{"--wait soon", `flag --wait: invalid value "soon"`},
	{"list --wait 1s", "--wait: not with list"},
	{"list --name x", "--name: not with list"},
	{"--json=perhaps", `flag --json: invalid boolean value "perhaps"`},
	{"--interval 1s", "--interval: only with watch"},
	{"--count 1 eth0 pass", "--count: only with watch"},
	{"stats --interval=1s", "--interval=1s: only with watch"},
	{"watch --interval 0", "--interval 0s"},
	{"watch --interval 9ms", "--interval 9ms"},
	{"watch --interval fast", `flag --interval: invalid value "fast"`},
	{"watch --count 0", "--count 0"},
	{"watch --count -1", `flag --count: invalid value "-1"`},
	{"watch --count many", `flag --count: invalid value "many"`},
	{"watch eth0", `watch "eth0"`},
	{"verify eth0", `verify "eth0"`},
	{"verify --for 10ms", "--for 10ms: shorter than 100ms"},
	{"verify --for 5", `flag --for: invalid value "5"`},
	{"verify --seed 7", "--seed: not with verify"},
	{"watch --for 1s", "--for"},
	{"stats eth0", `stats "eth0"`},
	{"stats -- --json", `stats "--json"`},
	{"list -5", `list "-5"`},
	{"completion", `completion ""`},
	{"completion tcsh", `completion "tcsh"`},
	{"completion bash zsh", `completion "bash zsh"`},
	{"rule show", `rule "show": want add, set or del`},
	{"rule add", `rule "": is empty`},
	{"rule add tx udp port 53 both pass", `rule "tx": is a word of the grammar`},
	{"rule add before dns udp both pass", `rule "before": is a word of the grammar`},
	{"rule add default tcp both pass", `rule "default": is the name of the direction's own policy`},
	{"rule add dns", `match "": is empty`},
	{"rule add dns udp port 53", `rule "dns udp port 53": incomplete`},
	{"rule add dns udp port 53 both", `both policy ""`},
	{"rule add dns udp port x both pass", `port "x"`},
	{"rule add dns udp port 70000 both pass", `port "70000"`},
	{"rule add dns tcp udp both pass", `"udp"`},
	{"rule add dns udp tx percent 101", `tx percent "101"`},
	{"rule add dns udp tx percent -1", `tx percent "-1"`},
	{"rule add dns udp tx pass tx pass", `tx has a policy already`},
	{"rule add dns before", `before "": want the name of a rule`},
	{"rule add dns before both tcp both pass", `rule "both"`},
	{"rule add dns before x", `match ""`},
	{"rule add dns before a-name-that-is-longer-than-32-bytes tcp both pass", `"a-name-that-is-longer-than-32-bytes"`},
	{"rule set", `rule ""`},
	{"rule set dns", `rule "dns": incomplete`},
	{"rule set dns pass", `direction "pass": want tx, rx or both`},
	{"rule set dns percent 5", `direction "percent": want tx, rx or both`},
	{"rule set dns both", `both policy ""`},
	{"rule set dns rx maybe", `rx policy "maybe"`},
	{"rule set default rx pass", `rule "default"`},
	{"rule del", `rule del "": want the name of one rule`},
	{"rule del a b", `rule del "a b": want the name of one rule`},
	{"rule del a/b", `rule "a/b"`},
	{"rule --seed 7", "--seed: not with rule"},
	{"rule del x --receive all", "--receive: not with rule"},
	{"rule del x --any-netns", "--any-netns: not with rule"},
	{"rule --count 1", "--count: only with watch"},
	{"rules", `rules "": want load FILE or save; insanely rule shows`},
	{"rules load", `rules load "": want the name of a file`},
	{"rules load a b", `rules "load a b"`},
	{"rules save x", `rules "save x"`},
	{"rules del", `rules "del"`},
	{"rules load /nowhere/at/all", `file "/nowhere/at/all": no such file`},
	{"rules save --seed 7", "--seed: not with rules"},
	{"-- percent 80", `"80"`},
	{"-- stats percent 101", `percent "101"`},
	{"-- --json percent 101", `percent "101"`},
}

// A bad line is refused in one line that names what is bad, with exit code 2,
// before anything is sent; and so it is with --json, in JSON.
func TestBadLines(t *testing.T) {
	socket, d := daemonFor(t, idleInfo())
	for _, test := range badLines {
		t.Run(test.line, func(t *testing.T) {
			args := strings.Fields(test.line)
			code, stdout, stderr := runAt(socket, args...)
			if code != exitUsage || stdout != "" {
				t.Errorf("exit code %d, stdout %q", code, stdout)
			}
			checkLine(t, stderr, test.want)
			if !strings.HasPrefix(stderr, "insanely: ") {
				t.Errorf("stderr %q", stderr)
			}

			code, stdout, stderr = runAt(socket, append([]string{"--json"}, args...)...)
			var said api.Error
			if err := json.Unmarshal([]byte(stderr), &said); err != nil {
				t.Fatalf("stderr %q: %v", stderr, err)
			}
			if code != exitUsage || stdout != "" || said.Code != api.CodeInvalid {
				t.Errorf("exit code %d, stdout %q, code %q", code, stdout, said.Code)
			}
			checkLine(t, said.Message+"\n", test.want)
		})
	}
	if got := d.requests.Load(); got != 0 {
		t.Errorf("%d requests were sent", got)
	}
}

func TestBadSockets(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--socket", ""}, `--socket ""`},
		{[]string{"--socket", "@"}, `--socket "@"`},
		{[]string{"--socket", "/run/"}, `--socket "/run/"`},
		{[]string{"--socket", "@x", "list"}, `--socket "@x"`},
		{[]string{"--name", ""}, `name ""`},
		{[]string{"--name", "../x"}, `name "../x"`},
		{[]string{"--name", "a\nb"}, `name "a\nb"`},
		{[]string{"--name", "abcdefghijklmnop"}, `name "abcdefghijklmnop"`},
		{[]string{""}, `slave ""`},
		{[]string{"a b", "pass"}, `slave "a b"`},
		{[]string{"eth0", "percent", "1\n2"}, `"2"`},
		{[]string{"eth0", "\x1b[2J"}, `"\x1b[2J"`},
	} {
		t.Run(test.want, func(t *testing.T) {
			code, stdout, stderr := run(test.args...)
			if code != exitUsage || stdout != "" {
				t.Errorf("exit code %d, stdout %q", code, stdout)
			}
			checkLine(t, stderr, test.want)
		})
	}
}

// checkLine checks that text is exactly one line and says want.
func checkLine(t *testing.T, text, want string) {
	t.Helper()
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") || strings.Contains(text, "\x1b") {
		t.Errorf("not one line: %q", text)
	}
	if !strings.Contains(text, want) {
		t.Errorf("%q does not say %q", text, want)
	}
}
