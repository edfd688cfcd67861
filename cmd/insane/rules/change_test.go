package rules

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestRulesChangeWhileSending: the rules change all the time. The rule of the flow stays, so
// exactly its packets arrive, although it stands at another place each time, and the counters
// of all rules balance.
func TestRulesChangeWhileSending(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	f := b.NewFlow(t, 4)
	flow := fmt.Sprintf("flow: udp dst port %d tx percent 70\n", f.In.LocalAddr().(*net.UDPAddr).Port)
	const seed, count, least = 77, 60_000, 20 // changes
	load(t, b, flow)
	_, a := b.Begin(t, "percent 0", seed)
	stop := make(chan struct{})
	var changes atomic.Int64
	var changing sync.WaitGroup
	changing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			text := flow + "last: arp both percent 0\n"
			if i%2 == 0 {
				text = "first: tcp both percent 5\nsecond: host 192.0.2.77 both percent 0\n" + flow
			}
			if _, err := b.Daemon.Client.ChangeRules(context.Background(), api.RulesChange{Load: &text}); err != nil {
				t.Error(err)
				return
			}
			changes.Add(1)
		}
	})
	j := judged{b, "flow"}
	cargo := testbed.Cargo{Count: count, Size: testbed.Always(100)}
	cargo.Send = func(from, to int) {
		labtest.Await(t, "the rules to change", func() bool { return changes.Load() >= int64(from*least/count) })
		f.SendPlain(t, cargo, from, to)
	}
	got := f.Carry(t, a, j.program(t, "percent 70", seed), cargo)
	close(stop)
	changing.Wait()
	if s := j.stats(t); s.Offered.Packets != count || s.Relayed.Packets != uint64(got) {
		t.Errorf("after %d changes: offered %d, relayed %d, %d came", changes.Load(), s.Offered.Packets, s.Relayed.Packets, got)
	}
}

// TestManyRules: as many rules as are allowed, of which the last one judges the packets. With the
// race detector, which makes all of it ten times as slow, there are fewer.
func TestManyRules(t *testing.T) {
	t.Parallel()
	b := testbed.New(t, api.PathKernel)
	f := b.NewFlow(t, 4)
	most := api.MaxRules
	if testbed.Race {
		most = 4000
	}
	var text []byte
	for i := range most - 1 {
		text = fmt.Appendf(text, "r%d: host 10.%d.%d.%d tx percent 0\n", i, 64+i>>16, i>>8&255, i&255)
	}
	text = fmt.Appendf(text, "flow: udp dst port %d both percent 50\n", f.In.LocalAddr().(*net.UDPAddr).Port)
	began := time.Now()
	load(t, b, string(text))
	t.Logf("%d rules were loaded in %v", most, time.Since(began))
	_, a := b.Begin(t, "percent 0", 3)
	j := judged{b, "flow"}
	before := b.Counters(t, b.Borea, testbed.Device).TxPackets
	f.Carry(t, a, j.program(t, "percent 50", 3), j.afterOne(t, f, testbed.Cargo{Count: 5000, Size: testbed.Always(100)}))
	if n := b.Counters(t, b.Borea, testbed.Device).TxPackets - before; n > 1000 {
		t.Errorf("%d of 5000 packets went by the relay", n)
	}
	began = time.Now()
	set := "flow tx pass"
	_, err := b.Daemon.Client.ChangeRules(context.Background(), api.RulesChange{Set: &set})
	labtest.Must(t, err)
	t.Logf("one of them was changed in %v; the daemon has %d MiB", time.Since(began), testbed.ResidentKiB(t, b.Daemon.PID())>>10)
	more := "one-more any tx pass"
	if _, err := b.Daemon.Client.ChangeRules(context.Background(), api.RulesChange{Add: &more}); (err == nil) == (most == api.MaxRules) {
		t.Errorf("one more than %d rules: %v", most, err)
	}
}
