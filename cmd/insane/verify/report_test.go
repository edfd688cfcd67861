package verify

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// A change of the policy meanwhile ends the run, as nothing can be said then.
func TestChanged(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	stop := run(t, 2, newFlow(t, b, 4, 100))
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := b.Daemon.Command(ctx, "insanely", "verify", "--for", "30s")
	var out strings.Builder
	c.Stderr = &out
	sockets := func() int { return strings.Count(labtest.Run(t, b.Borea, "cat", "/proc/net/packet"), "\n") }
	before := sockets()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	labtest.Await(t, "the socket of the witness", func() bool { return sockets() > before })
	policy := "percent 50"
	labtest.Set(t, b.Daemon, api.Change{TX: &policy})
	err := c.Wait()
	if err == nil || !strings.Contains(out.String(), "insanely: the policy of tx changed while verify watched") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// Without the rights, or in another network namespace, it says so.
func TestRefusals(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	code, said := labtest.Fails(t, b.Borea, "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", "insanely", "--socket", b.Daemon.Socket, "verify", "--for", "1s")
	if code != 4 || !strings.Contains(said, "CAP_NET_RAW") {
		t.Errorf("without CAP_NET_RAW: exit code %d: %s", code, said)
	}
	code, said = labtest.Fails(t, b.Borea, "setpriv", "--bounding-set=-bpf,-sys_admin", "--inh-caps=-bpf,-sys_admin", "insanely", "--socket", b.Daemon.Socket, "verify", "--for", "1s")
	if code != 4 || !strings.Contains(said, "CAP_BPF") {
		t.Errorf("without CAP_BPF: exit code %d: %s", code, said)
	}
	code, said = labtest.Fails(t, b.Borea, "unshare", "--net", "sh", "-c", "true; insanely --socket "+b.Daemon.Socket+" verify --for 1s")
	if code != 1 && code != 3 {
		t.Errorf("in another namespace: exit code %d: %s", code, said)
	}
}
