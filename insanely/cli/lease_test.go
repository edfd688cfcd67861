package cli

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// leasesOf are the leases that a change makes of tx and of rules, as a daemon shows them at
// once.
func leasesOf(before api.Info, c api.Change) (list []api.Lease) {
	term, err := c.Term()
	if err != nil || term == (api.Term{}) || c.TX == nil {
		return before.Leases
	}
	l := api.Lease{Member: api.MemberTX, To: before.TX.Policy, Remaining: int64(term.For)}
	if term.Confirm > 0 {
		l.Unconfirmed, l.Remaining, l.IfConfirmed = true, int64(term.Confirm), int64(term.For)
	}
	return []api.Lease{l}
}

func (d *daemon) confirm(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.info.Leases) == 0 {
		d.refuse(w, api.Errorf(api.ErrNoLease, "", "nothing waits for a confirmation"))
		return
	}
	d.info.Leases = nil
	d.answer(w, d.info)
}

// logged is a log with an entry of each kind.
var logged = []api.LogEntry{
	{Number: 1, Time: "2026-01-02T03:04:05.678Z", Who: api.WhoDaemon, Members: []api.Transition{{Member: "slave", From: "none", To: "eth0"}}},
	{Number: 2, Time: "2026-01-02T03:04:06.000Z", Who: api.WhoPeer, Peer: &api.Peer{UID: 1000, GID: 1000, PID: 4711, Command: "insanely"},
		Members: []api.Transition{{Member: "slave", From: "eth0", To: "eth0"}, {Member: "tx", From: "pass", To: "percent 80"}}, For: "10m", Confirm: "20s"},
	{Number: 3, Time: "2026-01-02T03:04:07.000Z", Who: api.WhoPeer, Peer: &api.Peer{}, Confirmed: true,
		Members: []api.Transition{{Member: "tx", From: "percent 80", To: "stays for 9m59s"}}},
	{Number: 4, Time: "2026-01-02T03:14:06.001Z", Who: api.WhoLease, Members: []api.Transition{{Member: "tx", From: "percent 80", To: "pass"}}},
}

func (d *daemon) log(w http.ResponseWriter, r *http.Request) {
	page := api.LogPage{Entries: []api.LogEntry{}, Last: uint64(len(logged))}
	for _, e := range logged {
		if from := r.URL.Query().Get("from"); from == "1" {
			page.Entries = append(page.Entries, e)
		}
	}
	d.answer(w, page)
}

// The log has one line for each change.
func TestLogText(t *testing.T) {
	socket, _ := daemonFor(t, idleInfo())
	code, stdout, stderr := runAt(socket, "log")
	want := `2026-01-02T03:04:05.678Z  daemon                      slave none -> eth0
2026-01-02T03:04:06.000Z  uid 1000 pid 4711 insanely  for 10m, confirm 20s, slave eth0, tx pass -> percent 80
2026-01-02T03:04:07.000Z  uid 0 pid 0 (unknown)       confirmed, tx stays for 9m59s
2026-01-02T03:14:06.001Z  lease                       tx percent 80 -> pass
`
	if code != 0 || stderr != "" || stdout != want {
		t.Errorf("code %d, stderr %q, stdout\n%s, want\n%s", code, stderr, stdout, want)
	}
	code, stdout, _ = runAt(socket, "log", "--json")
	var got []api.LogEntry
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 || len(got) != len(logged) || *got[1].Peer != *logged[1].Peer {
		t.Errorf("code %d, %v: %s", code, err, stdout)
	}
}

// Both flags reach the daemon with every change, and the device shows what it returns to.
func TestLeaseFlags(t *testing.T) {
	socket, d := daemonFor(t, idleInfo())
	_, stdout, stderr := runAt(socket, "eth0", "--for", "10m", "percent", "80", "--confirm=20s")
	if want := "lease   tx returns to pass in 20s unless confirmed, then in 10m0s\n"; !strings.Contains(stdout, want) {
		t.Errorf("no %q in %q, %q", want, stdout, stderr)
	}
	if code, stdout, stderr := runAt(socket, "confirm"); code != 0 || strings.Contains(stdout, "lease") {
		t.Errorf("confirm: code %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr := runAt(socket, "confirm")
	if code != exitFailed || stdout != "" || stderr != "insanely: nothing waits for a confirmation\n" {
		t.Errorf("second confirm: code %d, %q, %q", code, stdout, stderr)
	}
	for _, line := range []string{"rule add dns udp tx pass", "rule set dns rx pass", "rule del dns", "rules load -"} {
		if code, _, stderr := runAt(socket, append([]string{"--for", "90s", "--confirm", "1s"}, strings.Fields(line)...)...); code != 0 {
			t.Errorf("%s: code %d, %s", line, code, stderr)
			continue
		}
		d.mu.Lock()
		asked := d.asked
		d.mu.Unlock()
		if term, err := asked.Term(); err != nil || term != (api.Term{For: 90 * time.Second, Confirm: time.Second}) {
			t.Errorf("%s: asked for %+v, %v", line, term, err)
		}
	}
}

// Times are shown to the millisecond when little is left, and to the second before.
func TestRemaining(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1_600_000: "2ms", 9_999 * time.Millisecond: "9.999s", 10 * time.Second: "10s", 599_700 * time.Millisecond: "10m0s",
	} {
		if got := remaining(int64(d)); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
	lines := leaseLines([]api.Lease{{Member: "slave", Remaining: 5e9, Unconfirmed: true}})
	if want := "slave returns to none in 5s unless confirmed"; len(lines) != 1 || lines[0] != want {
		t.Errorf("%q, want %q", lines, want)
	}
}
