package control

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// abuse is something that a person without any right does to the control socket.
type abuse struct {
	name string
	do   func(a *attacker)
}

var abuses = []abuse{
	{"idle connections", (*attacker).idle},
	{"one byte at a time", (*attacker).drip},
	{"a message of 1 GiB", (*attacker).gibibyte},
	{"unknown verbs and paths", (*attacker).nonsense},
	{"deep JSON", (*attacker).deep},
	{"half-closed", (*attacker).halfClose},
	{"descriptors", (*attacker).descriptors},
	{"leave in the middle of the answer", (*attacker).leave},
}

// TestControlAbuse: whatever users without rights do to the control socket, root is
// answered, packets pass, and the daemon keeps neither memory nor descriptors.
func TestControlAbuse(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2")
	for _, who := range []user{nobody, {}} {
		t.Run(fmt.Sprint("uid ", who.uid), func(t *testing.T) {
			// One round first: what a Go program has allocated once, it keeps.
			attack(t, l, d, who)
			memory, descriptors := testbed.ResidentKiB(t, d.PID()), testbed.OpenDescriptors(t, d.PID())
			for range testbed.Soak(t, 2) {
				attack(t, l, d, who)
			}
			if grown := testbed.ResidentKiB(t, d.PID()) - memory; grown > 10<<10*memoryFactor {
				t.Errorf("memory grew by %d KiB", grown)
			}
			testbed.SameDescriptors(t, d.PID(), descriptors)
		})
	}
	testbed.Relays(t, l, d.Client)
	if refused := strings.Count(d.Logs(), "not permitted"); refused > 30 {
		t.Errorf("users without rights filled the log with %d lines", refused)
	}
}

// attacker has a user's rights.
type attacker struct {
	t      *testing.T
	lab    *lab.Lab
	daemon *lab.Daemon
	user   user
	stop   chan struct{} // closed when the attack is over
}

// attack does everything at once. While it lasts, root is served and packets pass.
func attack(t *testing.T, l *lab.Lab, d *lab.Daemon, who user) {
	a := &attacker{t: t, lab: l, daemon: d, user: who, stop: make(chan struct{})}
	var attacks sync.WaitGroup
	for _, x := range abuses {
		attacks.Go(func() { x.do(a) })
	}
	defer attacks.Wait()
	defer close(a.stop)
	for range 10 {
		// The client itself gives up after insanely.Timeout.
		if _, err := d.Client.Set(t.Context(), api.Change{TX: new("pass")}); err != nil {
			t.Errorf("root is not served: %v", err)
		}
		testbed.Relays(t, l, d.Client)
		time.Sleep(50 * time.Millisecond)
	}
}

// crowd is how many connections an attack of n makes. Root makes a tenth: the
// daemon serves 64 of his and refuses the rest, and who may change the device
// could as well stop it.
func (a *attacker) crowd(n int) int {
	if a.user.uid == 0 {
		return n / 10
	}
	return n
}

// connect makes a connection that does not outlast the attack. It is nil when
// the daemon would not have it.
func (a *attacker) connect() *net.UnixConn {
	conn, err := a.user.dial(a.lab.Borea, a.daemon.Socket)
	if err != nil {
		return nil
	}
	conn.SetDeadline(time.Now().Add(labtest.Patience))
	go func() {
		<-a.stop
		conn.Close()
	}()
	return conn.(*net.UnixConn)
}
