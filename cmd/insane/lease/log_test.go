package lease

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestLogSaysWho: each change is in the log, with the user, the process and its name as the
// kernel knows them, and what it has changed; everybody may read it.
func TestLogSaysWho(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--group", "4711")
	before := time.Now().Truncate(time.Millisecond)
	cmd := l.Borea.Command(t.Context(), "setpriv", "--reuid", "65534", "--regid", "4711", "--clear-groups",
		"insanely", "--socket", d.Socket, "--for", "50ms", "eth0", "percent", "80")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	awaitEnd(t, d)
	insanely(t, l, d, "rule", "add", "dns", "udp", "port", "53", "tx", "percent", "5")
	labtest.Fails(t, l.Borea, "insanely", "--socket", d.Socket, "nosuch0")
	text := labtest.Run(t, l.Borea, "setpriv", "--reuid", "65534", "--clear-groups", "--regid", "65534",
		"insanely", "--socket", d.Socket, "log")

	list := entries(t, d)
	if len(list) != 4 {
		t.Fatalf("%d entries, want the start, two changes and one end:\n%s", len(list), text)
	}
	for i, entry := range list {
		at, err := time.Parse(time.RFC3339, entry.Time)
		if err != nil || i > 0 && at.Before(before) || at.After(time.Now()) || !regexp.MustCompile(`\.\d{3}(Z|[+-])`).MatchString(entry.Time) {
			t.Errorf("time %s, %v", entry.Time, err)
		}
		if entry.Number != uint64(i+1) {
			t.Errorf("number %d of entry %d", entry.Number, i)
		}
	}
	changed, ended, added := list[1], list[2], list[3]
	want := api.Peer{UID: 65534, GID: 4711, PID: int32(cmd.Process.Pid), Command: "insanely"}
	if changed.Who != api.WhoPeer || *changed.Peer != want || changed.For != "50ms" ||
		fmt.Sprint(changed.Members) != "[{slave eth0 eth0} {tx pass percent 80}]" {
		t.Errorf("%+v by %+v, want %+v", changed, changed.Peer, want)
	}
	if ended.Who != api.WhoLease || ended.Peer != nil || fmt.Sprint(ended.Members) != "[{tx percent 80 pass}]" {
		t.Errorf("%+v", ended)
	}
	if added.Peer.UID != 0 || fmt.Sprint(added.Members) != "[{rules 0 rules 1 rule: add dns udp port 53 tx percent 5}]" {
		t.Errorf("%+v", added)
	}
	for _, want := range []string{"uid 65534 pid " + strconv.Itoa(cmd.Process.Pid) + " insanely", "for 50ms, slave eth0, tx pass -> percent 80", "lease"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if want := "pid=" + strconv.Itoa(cmd.Process.Pid) + " command=insanely"; !strings.Contains(d.Logs(), want) {
		t.Errorf("no %s in\n%s", want, d.Logs())
	}
}

// TestLogIsBounded makes more changes than the log keeps: the last ones are there.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--log-level", "error")
	const extra = 50
	for n := range api.MaxLog + extra {
		policy := fmt.Sprintf("percent %d", n%100)
		labtest.Set(t, d, api.Change{TX: &policy})
	}
	list := entries(t, d)
	if len(list) != api.MaxLog {
		t.Fatalf("%d entries, want %d", len(list), api.MaxLog)
	}
	for i, entry := range list {
		if entry.Number != list[0].Number+uint64(i) {
			t.Fatalf("number %d follows %d", entry.Number, list[i-1].Number)
		}
	}
	if last := list[len(list)-1]; last.Members[0].To != fmt.Sprintf("percent %d", (api.MaxLog+extra-1)%100) {
		t.Errorf("the last one is %+v", last)
	}
}
