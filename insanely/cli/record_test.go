package cli

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// recorded is what the daemon of the tests records: packet 0 to 1999 of "percent 95 delay 20ms".
const recorded = 2000

var recordedProgram = ledger.Program{ID: 1, Policy: "percent 95 delay 20ms", Seed: 7}

// to1049 is a packet to 10.9.0.2, port 1049.
var to1049 = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2,
	0, 9, 4, 25, 0, 8, 0, 0}

// recording returns the entries of the daemon of the tests.
func recording(lost bool) (b []byte) {
	header := ledger.Header{Device: "insane", Real: 1_700_000_000_000_000_000, Began: 1, Setup: ledger.Setup{Seed: 7, TX: recordedProgram.Policy, RX: "pass"}, Filter: ledger.Filter{Lost: lost}}
	b = ledger.AppendProgram(ledger.AppendHeader(nil, header), recordedProgram)
	program, err := recordedProgram.Compile()
	if err != nil {
		panic(err)
	}
	for i := range uint64(recorded) {
		at := policy.Time(1000 * i)
		e := ledger.Entry{Kind: ledger.Arrived, Number: i, Program: 1, Time: at, Judged: at, Length: uint32(len(to1049)), Bytes: to1049,
			Verdict: program.Decide(at, i)}
		if !lost || e.Lost() {
			b = ledger.AppendEntry(b, &e)
		}
		if e.Lost() || lost {
			continue
		}
		e.Kind, e.Program, e.Judged, e.Verdict, e.Time = ledger.Left, 0, 0, policy.Verdict{}, at+20_100_000
		switch i {
		case recorded - 2:
			e.Kind, e.Why = ledger.Refused, "slave-busy"
		case recorded - 1:
			continue
		}
		b = ledger.AppendEntry(b, &e)
	}
	return b
}

// record answers with a recording that ends.
func (d *daemon) record(w http.ResponseWriter, r *http.Request) {
	b := recording(r.URL.Query().Get(api.RecordLost) != "")
	b = ledger.AppendMissed(b, ledger.Missed{Entries: 5})
	w.Write(ledger.AppendEnd(b, ledger.End{Why: "the device ends", Missed: []ledger.Missed{{Direction: policy.RX, Entries: 2}}}))
}

// lossesOf is how many packets are lost.
func lossesOf(t *testing.T) (n int) {
	t.Helper()
	program, err := recordedProgram.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(recorded) {
		if program.Decide(0, i).Lost() {
			n++
		}
	}
	return n
}

// TestRecord: a recording is written and explained; the end of the daemon is an error, after which
// the file is whole.
func TestRecord(t *testing.T) {
	socket, _ := daemonFor(t, idleInfo())
	t.Chdir(t.TempDir())
	code, stdout, stderr := runAt(socket, "record", "-w", "run.pcapng")
	losses := lossesOf(t)
	want := "insanely: recorded 2000 packets: " + strconv.Itoa(recorded-losses-2) + " left, " + strconv.Itoa(losses+1) +
		" lost; 7 entries are missing, as they were not written in time\ninsanely: record: the device ends\n"
	if code != exitFailed || stdout != "" || stderr != want {
		t.Errorf("exit code %d, stdout %q, stderr %q, want %q", code, stdout, stderr, want)
	}
	code, stdout, stderr = run("explain", "run.pcapng")
	if code != 0 || stderr != "insanely: 7 entries are missing, as they were not written in time\n" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if len(lines) != recorded {
		t.Fatalf("%d lines", len(lines))
	}
	for _, want := range []string{
		"tx 0  default  10.9.0.2:1049  relayed: delayed by 20ms, left after 20.1ms",
		"tx 1998  default  10.9.0.2:1049  overrun: slave-busy", "tx 1999  default  10.9.0.2:1049  held: delayed by 20ms",
	} {
		if !strings.Contains(stdout, want+"\n") {
			t.Errorf("no line %q", want)
		}
	}
	_, stdout, _ = run("explain", "run.pcapng", "--lost")
	if n := strings.Count(stdout, "  lost: percent 95 (draw 0.0"); n != losses {
		t.Errorf("%d of %d losses are explained:\n%.300s", n, losses, stdout)
	}
	if n := strings.Count(stdout, "\n"); n != losses+1 {
		t.Errorf("%d lines of what is lost, want %d", n, losses+1)
	}
	if _, stdout, _ = run("explain", "run.pcapng", "--rule", "api"); stdout != "" {
		t.Errorf("of a rule that is not there: %.100s", stdout)
	}
	if _, stdout, _ = run("--json", "explain", "run.pcapng"); strings.Count(stdout, `"outcome":"relayed"`) != recorded-losses-2 {
		t.Errorf("%.300s", stdout)
	}
}

// TestRecordEnds: a recording ends by itself, and only has what is asked for.
func TestRecordEnds(t *testing.T) {
	socket, _ := daemonFor(t, idleInfo())
	t.Chdir(t.TempDir())
	code, stdout, stderr := runAt(socket, "record", "-w", "-", "--lost", "--count", "3")
	if code != 0 || stderr != "insanely: recorded 3 packets: 0 left, 3 lost\n" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	if err := os.WriteFile("lost.pcapng", []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := run("explain", "lost.pcapng"); code != 0 || stderr != "" || strings.Count(stdout, "  lost: percent 95 (draw") != 3 {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// TestRecordFiles: a ring of files has the last packets, and each file is complete by itself.
func TestRecordFiles(t *testing.T) {
	socket, _ := daemonFor(t, idleInfo())
	dir := t.TempDir()
	if code, _, stderr := runAt(socket, "record", "-w", filepath.Join(dir, "run.pcapng"), "--size", "42kB", "--files", "3", "--count", "2000"); code != 0 {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(paths) != 3 {
		t.Fatal(paths, err)
	}
	explained := 0
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || info.Size() > 50_000 || info.Mode() != 0o600 {
			t.Error(info, err)
		}
		code, stdout, stderr := run("explain", path)
		n := strings.Count(stdout, "lost: percent 95 (draw")
		if code != 0 || stderr != "" || n != strings.Count(stdout, "  lost") {
			t.Errorf("%s: exit code %d, %d losses explained of %d, stderr %q", path, code, n, strings.Count(stdout, "  lost"), stderr)
		}
		explained += n
	}
	if explained == 0 {
		t.Error("no loss is explained")
	}
}

// TestRecordFails: what cannot be written, read or understood is one line.
func TestRecordFails(t *testing.T) {
	socket, _ := daemonFor(t, idleInfo())
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"record", exitUsage, "record: want -w FILE"},
		{"record x -w f", exitUsage, "takes no words"},
		{"record -w - --size 1MB", exitUsage, "flag --size: not with -w -"},
		{"record -w f --files 3", exitUsage, "flag --files: want --size as well"},
		{"record -w f --count 0", exitUsage, "flag --count 0: want 1 or more"},
		{"record -w f --size 0", exitUsage, "want a size such as 100MB"},
		{"record -w f --rule a/b", exitUsage, "must have only letters"},
		{"record -w f --seed 1", exitUsage, "flag --seed: not with record"},
		{"record -w none/f --count 1", exitFailed, "no such file or directory"},
		{"watch --lost", exitUsage, "flag --lost: only with record"},
		{"explain", exitUsage, "explain: want the name of a file"},
		{"explain none", exitFailed, "open none: no such file"},
		{"explain text", exitFailed, "read text: not a recording of insanely record"},
	} {
		if err := os.WriteFile("text", []byte("some text that is no recording"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := runAt(socket, strings.Fields(c.line)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", c.line, code, stdout, stderr)
		}
	}
	var fault bytes.Buffer
	getenv := func(name string) string { return map[string]string{"INSANE_SOCKET": socket}[name] }
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full:", err)
	}
	defer full.Close()
	if code := Main([]string{"insanely", "record", "-w", "-"}, full, &fault, getenv); code != exitFailed ||
		!strings.Contains(fault.String(), "no space left on device\n") || strings.Count(fault.String(), "\n") > 2 {
		t.Errorf("exit code %d, stderr %q", code, fault.String())
	}
}

// TestExplainCutOff: a file whose writer was killed is explained up to there.
func TestExplainCutOff(t *testing.T) {
	socket, _ := daemonFor(t, idleInfo())
	path := filepath.Join(t.TempDir(), "run.pcapng")
	runAt(socket, "record", "-w", path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := run("explain", path)
	if n := strings.Count(stdout, "\n"); code != 0 || n < 900 || n > 1100 || !strings.HasSuffix(stderr, "is cut off: what follows is not there\n") {
		t.Errorf("exit code %d, %d lines, stderr %q", code, n, stderr)
	}
}
