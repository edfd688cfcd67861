package cli

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/ledger/pcapng"
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// replay takes a recording, and says that some of its packets have come.
func (d *daemon) replay(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	t, err := replay.Parse(body)
	if err != nil {
		d.refuse(w, api.Errorf(api.ErrInvalid, "replay", "replay: %v", err))
		return
	}
	c := t.Counts()
	d.mu.Lock()
	defer d.mu.Unlock()
	if slave := t.Head().Slave; slave != nil {
		if refusal := d.refusals[*slave]; refusal != nil {
			d.refuse(w, refusal)
			return
		}
	}
	d.info.Replay = &api.Replay{Name: t.Head().Name, Flows: c.Connections, Packets: c.Packets, Met: 47, Others: 12}
	d.answer(w, d.info)
}

// A recording is sent, and the device says how far it has come. One that cannot be replayed is not
// sent, and the line says why.
func TestReplay(t *testing.T) {
	socket, d := daemonFor(t, idleInfo())
	dir := t.TempDir()
	file := filepath.Join(dir, "run.pcapng")
	runAt(socket, "record", "-w", file, "--count", "1000")
	code, stdout, stderr := runAt(socket, "replay", file, "eth0")
	const want = "run.pcapng: 47 of 1000 recorded packets met, 12 others judged by the policy"
	if code != 0 || !strings.Contains(stdout, "replay  "+want+"\n") && !strings.Contains(stdout, "replay   "+want+"\n") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if code, stdout, _ := runAt(socket, "--json", "replay", file); code != 0 || !strings.Contains(stdout, "\"met\": 47,") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sent := d.requests.Load()
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "replay: want the name of a file"},
		{[]string{file, "eth0", "pass"}, 2, "replay: want the name of a file"},
		{[]string{filepath.Join(dir, "none"), "eth0"}, 1, "no such file"},
		{[]string{file, "a/b"}, 2, "slave \"a/b\""},
		{[]string{file, "eth0", "--seed", "7"}, 2, "flag --seed: not with replay"},
		{[]string{write("text", []byte("text that is no recording")), "eth0"}, 1, "not a recording of insanely record"},
		{[]string{write("lost", madeOf(t, ledger.Header{Filter: ledger.Filter{Lost: true}}, 0)), "eth0"}, 2, "--lost"},
		{[]string{write("rule", madeOf(t, ledger.Header{Filter: ledger.Filter{Rule: "dns"}}, 0)), "eth0"}, 2, "--rule"},
		{[]string{write("short", madeOf(t, ledger.Header{Filter: ledger.Filter{Snaplen: 60}}, 0)), "eth0"}, 2, "--snaplen 96 or more"},
		{[]string{write("missed", madeOf(t, ledger.Header{}, 3)), "eth0"}, 2, "3 entries are missing"},
		{[]string{write("old", madeOf(t, ledger.Header{}, 0)), "eth0"}, 2, "does not tell the policies"},
	} {
		code, stdout, stderr := runAt(socket, append([]string{"replay"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 || stdout != "" {
			t.Errorf("%q: exit code %d, want %d: %q, want %q", tt.args, code, tt.code, stderr, tt.want)
		}
	}
	if n := d.requests.Load(); n != sent {
		t.Errorf("%d requests were sent", n-sent)
	}
	cut := write("cut", whole[:len(whole)/2])
	if code, stdout, stderr := runAt(socket, "replay", cut); code != 0 || !strings.Contains(stderr, "is cut off") {
		t.Errorf("cut off: exit code %d: %s%s", code, stdout, stderr)
	}
	if code, _, stderr := runAt(socket, "replay", file, "secret"); code != 4 {
		t.Errorf("not permitted: exit code %d: %s", code, stderr)
	}
}

// madeOf makes a recording of one packet, in front of which entries are missing.
func madeOf(t *testing.T, h ledger.Header, missed uint64) []byte {
	t.Helper()
	var b strings.Builder
	programs := make(pcapng.Programs)
	programs.Add(&recordedProgram)
	w, err := pcapng.NewWriter(&b, h, programs)
	if err != nil {
		t.Fatal(err)
	}
	if missed > 0 {
		w.Missed(ledger.Missed{Direction: policy.TX, Entries: missed})
	}
	e := ledger.Entry{Kind: ledger.Arrived, Program: 1, Length: uint32(len(to1049)), Bytes: to1049}
	if err := w.Entry(&e); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}
