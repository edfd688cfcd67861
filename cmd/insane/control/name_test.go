package control

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Names that are no text: an invalid byte of UTF-8, a control character that would clear the
// screen, a character that looks like a space, and a backslash.
const (
	oddName   = "in\xff\x1bc\\"
	oddSlave  = "e\xfe\u2003"
	oddShown  = `in\xff\x1bc\x5c`
	slaveText = `e\xfe\xe2\x80\x83`
)

// TestNamesOfAnyBytes: a device and a slave whose names are no text are shown in the same
// form by insanely, in JSON, metrics, log, alias and messages, and can be named in it.
func TestNamesOfAnyBytes(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	labtest.Run(t, l.Borea, "ip", "link", "add", oddSlave, "up", "type", "veth", "peer", "name", "far")
	dir := t.TempDir()
	socket := filepath.Join(dir, oddName+".sock")
	i := testbed.Start(t, l, socket, "--name", oddName, "--slave", oddSlave).Ready(t)
	out := labtest.Run(t, l.Borea, "insanely", "--socket", socket)
	contains(t, "insanely", out, "slave: "+slaveText+"\n", "\n"+oddShown+"  carrier", slaveText+" is down")
	text := labtest.Run(t, l.Borea, "insanely", "--socket", socket, "--json")
	var info api.Info
	labtest.Must(t, json.Unmarshal([]byte(text), &info))
	if info.Name != oddShown || info.Slave != slaveText || api.ReadName(info.Name) != oddName {
		t.Errorf("JSON has %q and %q, want %q and %q", info.Name, info.Slave, oddShown, slaveText)
	}
	metrics := labtest.Run(t, l.Borea, "curl", "-s", "--unix-socket", socket, "http://x/metrics")
	// A label escapes the backslash once more.
	contains(t, "metrics", metrics, `device="`+strings.ReplaceAll(oddShown, `\`, `\\`)+`"`, `slave="`+strings.ReplaceAll(slaveText, `\`, `\\`)+`"`)
	contains(t, "list", labtest.Run(t, l.Borea, "insanely", "--socket", socket, "list"), "\n"+oddShown+" ", " "+slaveText+" ")
	if alias := labtest.LinkOf(t, l.Borea, oddName).Attrs().Alias; alias != "insane: slave "+slaveText {
		t.Errorf("the alias is %q", alias)
	}

	for _, name := range []string{oddSlave, slaveText} {
		out = labtest.Run(t, l.Borea, "insanely", "--socket", socket, name, "percent", "7")
		contains(t, "change", out, "slave: "+slaveText, "mode: percent")
	}
	_, out = labtest.Fails(t, l.Borea, "insanely", "--socket", socket, "no\xff")
	contains(t, "refusal", out, `insanely: slave: "no\xff": no such device`)
	labtest.Run(t, l.Borea, "ip", "link", "del", oddSlave)
	labtest.Await(t, "the log to have the names", func() bool {
		return strings.Contains(i.Log.String(), "slave is gone") && strings.Contains(i.Log.String(), " name="+oddShown+" ")
	})
	contains(t, "log", i.Log.String(), `msg="slave attached" slave=`+slaveText, `that name" slave=`+slaveText, "slave="+slaveText+" tx=pass")
}

func contains(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s: no %q in\n%s", what, word, text)
		}
	}
	if !utf8.ValidString(text) {
		t.Errorf("%s is no UTF-8: %q", what, text)
	}
}
