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

// abuse is an attack on the control socket by a user without any rights.
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

// TestControlAbuse: during all attacks on the control socket by users without rights, the
// daemon answers root and relays packets. Afterwards it has no additional memory or
// descriptors.
func TestControlAbuse(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2")
	for _, who := range []user{nobody, {}} {
		t.Run(fmt.Sprint("uid ", who.uid), func(t *testing.T) {
			// The first round is not measured, because a Go program keeps memory that it
			// has allocated once.
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

// attacker is a user without rights.
type attacker struct {
	t      *testing.T
	lab    *lab.Lab
	daemon *lab.Daemon
	user   user
	stop   chan struct{} // closed when the attack ends
}

// attack runs all attacks at once. Meanwhile root is served and packets pass.
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

// crowd returns the number of connections for an attack of size n. For root it is a tenth:
// the daemon serves 64 connections of root and refuses the others, and a user who may
// change the device could stop it anyway.
func (a *attacker) crowd(n int) int {
	if a.user.uid == 0 {
		return n / 10
	}
	return n
}

// connect makes a connection that is closed when the attack ends. It returns nil if the
// daemon refuses the connection.
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
