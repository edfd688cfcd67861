package lease

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// punctual is how late a change may end on a machine at rest, and while others work.
func punctual(t testing.TB) time.Duration {
	if testbed.Long(t) {
		return 50 * time.Millisecond
	}
	return 5 * time.Second
}

// waited returns how long the threads of a process have waited for a processor since they began
// (proc_pid_schedstat(5)).
func waited(t testing.TB, pid int) (sum time.Duration) {
	t.Helper()
	for _, dir := range testbed.Threads(t, pid) {
		text, _ := os.ReadFile(dir + "/schedstat") // none of a thread that has ended
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			labtest.Must(t, err)
			sum += time.Duration(n)
		}
	}
	return sum
}

// TestEndsOnTime makes many changes with leases, of random lengths, and looks at the device all
// the time. A change that was asked for at a time is in force in each answer that comes before
// its time is over, and the state before it is in each answer to a question that is asked later
// than its time after the answer to the change, and a little more. INSANE_SOAK=1 makes a thousand,
// and a little is 50 ms, beside the time for which the daemon or the test had to wait for a
// processor meanwhile; else others may keep the machine busy for longer.
func TestEndsOnTime(t *testing.T) {
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--seed", "1")
	rounds, random := 30, testbed.Seeded(t)
	if testbed.Long(t) {
		rounds = 1000
	}
	var worst time.Duration
	for n := range rounds {
		span := time.Duration(1+random.IntN(100)) * time.Millisecond
		policy, text := fmt.Sprintf("percent %d", n%100), span.String()
		waits := func() time.Duration { return waited(t, d.PID()) + waited(t, os.Getpid()) }
		idle := waits()
		asked := time.Now()
		labtest.Set(t, d, api.Change{TX: &policy, For: &text})
		answered := time.Now()
		for {
			before := time.Now()
			info := labtest.Info(t, d)
			after := time.Now()
			if info.TX.Policy != policy && after.Sub(asked) < span {
				t.Fatalf("round %d: %q after %v of %v", n, info.TX.Policy, after.Sub(asked), span)
			}
			if len(info.Leases) > 0 {
				if late := before.Sub(answered) - span; late > punctual(t) && late > punctual(t)+waits()-idle {
					t.Fatalf("round %d: %s is in force %v after its end", n, policy, late)
				}
				continue
			}
			if info.TX.Policy != "pass" {
				t.Fatalf("round %d: %q after the lease", n, info.TX.Policy)
			}
			worst = max(worst, after.Sub(answered)-span)
			break
		}
	}
	t.Logf("%d leases: the latest end was seen %v after its time", rounds, worst)
}

// TestEndsWithoutClient kills the shell that has made the change.
func TestEndsWithoutClient(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--policy", "percent 90")
	cmd := l.Borea.Command(t.Context(), "sh", "-c", "insanely --socket "+d.Socket+" --for 300ms eth0 percent 0; kill -9 $$")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "tx returns to percent 90 in ") {
		t.Fatalf("%v: %s", err, out)
	}
	if info := awaitEnd(t, d); info.TX.Policy != "percent 90" || time.Since(began) < 300*time.Millisecond {
		t.Errorf("%q after %v", info.TX.Policy, time.Since(began))
	}
}

// TestEndsAfterStop stops the daemon across the end of a lease, and the end of the wait for a
// confirmation: right after it goes on, the first answer shows the state before the change,
// and a confirmation is too late.
func TestEndsAfterStop(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0")
	stopAcross := func(span time.Duration) {
		labtest.Must(t, syscall.Kill(d.PID(), syscall.SIGSTOP))
		time.Sleep(span + 20*time.Millisecond) // the time itself is what is tested
		labtest.Must(t, syscall.Kill(d.PID(), syscall.SIGCONT))
	}
	const span = 200 * time.Millisecond
	insanely(t, l, d, "--for", span.String(), "eth0", "percent", "0")
	stopAcross(span)
	if info := awaitEnd(t, d); info.TX.Policy != "pass" {
		t.Errorf("after --for: %q", info.TX.Policy)
	}
	insanely(t, l, d, "--confirm", span.String(), "eth0", "percent", "0")
	stopAcross(span)
	code, out := labtest.Fails(t, l.Borea, "insanely", "--socket", d.Socket, "confirm")
	if code != 1 || !strings.Contains(out, "nothing waits for a confirmation, or it came too late") {
		t.Errorf("a late confirmation: code %d, %s", code, out)
	}
	if info := labtest.Info(t, d); info.TX.Policy != "pass" || len(info.Leases) > 0 {
		t.Errorf("after --confirm: %q, %v", info.TX.Policy, info.Leases)
	}
}

// TestConfirm keeps a change in time: with --confirm alone it stays, with both it ends later.
func TestConfirm(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--seed", "1")
	insanely(t, l, d, "--confirm", "1h", "eth0", "percent", "80")
	insanely(t, l, d, "--for", "500ms", "--confirm", "400ms", "--seed", "5", "--judge-neighbours")
	insanely(t, l, d, "confirm")
	info := labtest.Info(t, d)
	if info.TX.Policy != "percent 80" {
		t.Errorf("%q", info.TX.Policy)
	}
	for _, lease := range info.Leases {
		if lease.Unconfirmed || lease.Member == api.MemberTX {
			t.Errorf("%+v after the confirmation", lease)
		}
	}
	if info := awaitEnd(t, d); info.TX.Policy != "percent 80" || info.Seed != 1 || info.JudgeNeighbours {
		t.Errorf("tx %q, seed %d, neighbours %v", info.TX.Policy, info.Seed, info.JudgeNeighbours)
	}
	if code, out := labtest.Fails(t, l.Borea, "insanely", "--socket", d.Socket, "confirm"); code != 1 || !strings.Contains(out, "nothing waits") {
		t.Errorf("code %d, %s", code, out)
	}
}
