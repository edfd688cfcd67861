package lease

import (
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestSlaveReturns gives a device without a slave one for some time, and after that another one,
// with another receive mode.
func TestSlaveReturns(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l)
	insanely(t, l, d, "--for", "100ms", "eth0")
	awaitEnd(t, d)
	descriptors := testbed.OpenDescriptors(t, d.PID())
	insanely(t, l, d, "--for", "200ms", "--receive", "none", "eth0", "percent", "50")
	info := awaitEnd(t, d)
	if info.Slave != "" || info.SlaveState != api.SlaveNone || info.Receive != api.ReceiveAuto || info.TX.Policy != "pass" || info.Carrier {
		t.Errorf("slave %q %s, receive %s, tx %q, carrier %v", info.Slave, info.SlaveState, info.Receive, info.TX.Policy, info.Carrier)
	}
	testbed.SameDescriptors(t, d.PID(), descriptors)

	labtest.Run(t, l.Borea, "ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
	insanely(t, l, d, "eth0")
	insanely(t, l, d, "--for", "200ms", "--receive", "all", "other0")
	if info = awaitEnd(t, d); info.Slave != "eth0" || info.SlaveState != api.SlaveUp || info.Receive != api.ReceiveAuto {
		t.Errorf("slave %q %s, receive %s", info.Slave, info.SlaveState, info.Receive)
	}
	labtest.Run(t, l.Borea, "ip", "link", "set", "insane", "up")
	labtest.Run(t, l.Borea, "ip", "route", "add", "10.9.0.2", "dev", "insane")
	testbed.AwaitCarrier(t, l, true)
	labtest.Run(t, l.Borea, "ping", "-c1", "-W10", "10.9.0.2")
}

// TestSlaveIsGone deletes the slave to return to: everything else returns, and the log says what
// does not.
func TestSlaveIsGone(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	labtest.Run(t, l.Borea, "ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
	d := labtest.StartDaemon(t, l, "--slave", "other0", "--policy", "percent 90", "--seed", "3")
	for _, span := range []string{"1h", "50ms"} { // a shorter time, when the slave is gone
		insanely(t, l, d, "--for", span, "--seed", "4", "--receive", "all", "eth0", "percent", "0")
		if span == "1h" {
			labtest.Run(t, l.Borea, "ip", "link", "del", "other0")
		}
	}
	info := awaitEnd(t, d)
	if info.Slave != "eth0" || info.Receive != api.ReceiveAuto || info.TX.Policy != "percent 90" || info.Seed != 3 {
		t.Errorf("slave %q, receive %s, tx %q, seed %d", info.Slave, info.Receive, info.TX.Policy, info.Seed)
	}
	want := `a lease has ended, and its member cannot return" member=slave to=other0`
	labtest.Await(t, "a warning in the log", func() bool { return strings.Contains(d.Logs(), want) })
	list := entries(t, d)
	for _, m := range list[len(list)-1].Members {
		if m.Member == api.MemberSlave {
			t.Errorf("the log says %+v", m)
		}
	}
}
