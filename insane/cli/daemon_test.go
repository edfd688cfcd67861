package cli

import (
	"bytes"
	"strings"
	"testing"
)

// The log line about the start of the device has every setting that can be changed later,
// in the form that a user types, in both formats.
func TestAnnounce(t *testing.T) {
	clearEnvironment(t)
	for format, want := range map[string]string{
		"text": `msg="device is there" name=insane socket=/run/insane/insane.sock slave=eth0 ` +
			`tx="time 500ms 1s" rx="percent 60" receive=all seed=7`,
		"json": `"msg":"device is there","name":"insane","socket":"/run/insane/insane.sock","slave":"eth0",` +
			`"tx":"time 500ms 1s","rx":"percent 60","receive":"all","seed":7`,
	} {
		var log bytes.Buffer
		announce(parse(t, &log, "--slave", "eth0", "--policy", "time 50 100", "--rx-policy", "percent 60%",
			"--receive", "all", "--seed", "7", "--log-format", format))
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, want) {
			t.Errorf("%s: %q, want one line with %q", format, text, want)
		}
	}
}
