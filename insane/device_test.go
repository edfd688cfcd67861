package insane

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

func mustParse(t testing.TB, text string) policy.Policy {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// started is a device between two fakes that runs until the test ends.
func started(t *testing.T, near, far port.Port, c Config) *Device {
	t.Helper()
	d := New(near, far, c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		checkCounters(t, d)
	})
	return d
}

// checkCounters checks that the counters of both directions balance.
func checkCounters(t *testing.T, d *Device) {
	t.Helper()
	info := d.State()
	labtest.CheckCounters(t, info.TX.Stats)
	labtest.CheckCounters(t, info.RX.Stats)
}

// arrived collects the indices (porttest.Indices) of the packets that come out of a port,
// until total packets are in the counters of tx.
func arrived(d *Device, far *porttest.Port, size int, total uint64) (list []uint64) {
	for {
		select {
		case f := <-far.Out:
			list = append(list, porttest.Indices(f, size)...)
		case <-time.After(time.Millisecond):
			if d.State().TX.Stats.Offered.Packets < total {
				continue
			}
			// The relay adds a batch to its counters after it has written the batch, so all
			// packets have come out.
			for len(far.Out) > 0 {
				list = append(list, porttest.Indices(<-far.Out, size)...)
			}
			return list
		}
	}
}

// expected returns the indices below n of the packets that a policy relays at time 0.
func expected(p policy.Policy, seed, n uint64) (list []uint64) {
	prog := p.Compile(0, seed)
	for i := range n {
		if !prog.Decide(0, i).Lost() {
			list = append(list, i)
		}
	}
	return list
}

// The verdicts are those of package policy, packet by packet. They do not depend on the
// number of CPUs or the size of batches, nor on whether packets come alone or in
// super-frames.
func TestVerdictsAreTheEngines(t *testing.T) {
	const total, size, seed = 30_000, 100, 42
	for _, text := range []string{"pass", "percent 99", "percent 50", "percent 1", "percent 0", "time 0 1s"} {
		p := mustParse(t, text)
		want := expected(p, seed, total)
		for _, procs := range []int{1, 2, 16} {
			for _, batch := range []int{1, 16, 64} {
				for _, segments := range []int{1, 45} {
					name := fmt.Sprintf("%s/procs=%d/batch=%d/segments=%d", text, procs, batch, segments)
					t.Run(name, func(t *testing.T) {
						defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
						near, far := porttest.New(64, batch), porttest.New(64, batch)
						d := started(t, near, far, Config{Policy: p, Seed: seed, Clock: func() policy.Time { return 0 }})
						go feed(near, total, segments, size)
						if got := arrived(d, far, size, total); !slices.Equal(got, want) {
							t.Errorf("%d packets arrived, want %d, or others", len(got), len(want))
						}
						if s := d.State().TX.Stats; s.Relayed.Packets != uint64(len(want)) ||
							s.Dropped[api.DropPolicy].Packets != total-uint64(len(want)) {
							t.Errorf("counters say %+v, want %d relayed of %d", s, len(want), total)
						}
					})
				}
			}
		}
	}
}

// Each dropped packet counts for the first stage that drops it, also in a super-frame whose
// packets are dropped by different stages.
func TestStagesAreCounted(t *testing.T) {
	const total, size, seed = 10_000, 100, 7
	for _, text := range []string{"percent 50", "percent 50 time 0 1s", "percent 0 time 0 1s", "percent 100 time 0 1s", "pass"} {
		for _, segments := range []int{1, 45} {
			t.Run(fmt.Sprintf("%s/segments=%d", text, segments), func(t *testing.T) {
				p := mustParse(t, text)
				near, far := porttest.New(64, 16), porttest.New(64, 16)
				d := started(t, near, far, Config{Policy: p, Seed: seed, Clock: func() policy.Time { return 0 }})
				go feed(near, total, segments, size)
				arrived(d, far, size, total)
				prog := p.Compile(0, seed)
				want := map[policy.Stage]uint64{}
				for i := range uint64(total) {
					want[prog.Decide(0, i).By]++
				}
				stages := d.State().TX.Stats.Stages
				for _, form := range policy.Forms()[1:] {
					got, ok := stages[form.Name]
					if !ok || got.Packets != want[form.Number] || (got.Bytes > 0) != (got.Packets > 0) {
						t.Errorf("%s dropped %+v, want %d packets", form.Name, got, want[form.Number])
					}
				}
			})
		}
	}
}

// feed offers total packets, in frames of up to n segments. The length is random if n > 1.
func feed(near *porttest.Port, total uint64, n, size int) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for next := uint64(0); next < total; {
		k := 1
		if n > 1 {
			k = 1 + rnd.IntN(n)
		}
		k = min(k, int(total-next))
		near.In <- porttest.SuperFrame(next, k, size)
		next += uint64(k)
	}
}

// If a policy is changed and changed back, the verdicts are the same as without the change,
// because numbers belong to packets. A change with a seed restarts the numbers.
func TestNumbersSurviveChanges(t *testing.T) {
	near, far := porttest.New(0, 1), porttest.New(1024, 1)
	d := started(t, near, far, Config{Policy: mustParse(t, "percent 50"), Seed: 9, Clock: func() policy.Time { return 0 }})
	var total uint64
	offer := func(from, to uint64) []uint64 {
		total += to - from
		for i := from; i < to; i++ {
			near.In <- porttest.SuperFrame(i, 1, porttest.IndexLen)
		}
		return arrived(d, far, porttest.IndexLen, total)
	}
	change := func(c api.Change) {
		if _, err := d.Set(c); err != nil {
			t.Fatal(err)
		}
	}
	half, pass := "percent 50", "pass"
	want := expected(mustParse(t, half), 9, 300)
	below := func(from, to uint64) (list []uint64) {
		for _, i := range want {
			if from <= i && i < to {
				list = append(list, i)
			}
		}
		return list
	}
	if got := offer(0, 100); !slices.Equal(got, below(0, 100)) {
		t.Errorf("before the change: %v, want %v", got, below(0, 100))
	}
	change(api.Change{TX: &pass})
	if got := offer(100, 200); len(got) != 100 {
		t.Errorf("pass relayed %d of 100", len(got))
	}
	change(api.Change{TX: &half})
	if got := offer(200, 300); !slices.Equal(got, below(200, 300)) {
		t.Errorf("after changing back: %v, want %v", got, below(200, 300))
	}
	seed := uint64(9)
	change(api.Change{Seed: &seed})
	if got := offer(0, 100); !slices.Equal(got, below(0, 100)) {
		t.Errorf("after the seed: %v, want the verdicts of the start", got)
	}
}

// The stage time uses the clock of the device. Its phase begins when the policy is set.
func TestTimePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		clock := func() policy.Time { return policy.Time(1e15 + time.Since(start)) }
		near, far := porttest.New(0, 1), porttest.New(4096, 1)
		d := New(near, far, Config{Policy: mustParse(t, "time 30ms 20ms"), Clock: clock})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx) }()
		var want []uint64
		for ms := range uint64(1000) {
			near.In <- porttest.SuperFrame(ms, 1, porttest.IndexLen)
			synctest.Wait()
			if ms%50 < 30 {
				want = append(want, ms)
			}
			time.Sleep(time.Millisecond)
		}
		if got := arrived(d, far, porttest.IndexLen, 1000); !slices.Equal(got, want) {
			t.Errorf("%d packets arrived, want %d: %v", len(got), len(want), got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Each frame that the far end refuses is counted by its reason; the other frames are
// relayed.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{port.ErrBusy, api.DropSlaveBusy},
		{port.ErrDown, api.DropSlaveDown},
		{port.ErrGone, api.DropSlaveGone},
		{port.ErrTooBig, api.DropTooBig},
		{port.ErrInvalid, api.DropMalformed},
		{errors.New("unheard of"), api.DropError},
	} {
		t.Run(c.want, func(t *testing.T) {
			near, far := porttest.New(64, 64), porttest.New(64, 64)
			far.Fail(func(f frame.Frame) error {
				if porttest.Indices(f, porttest.IndexLen)[0]%3 == 0 {
					return c.err
				}
				return nil
			})
			d := started(t, near, far, Config{})
			go feed(near, 30, 1, porttest.IndexLen)
			if got := arrived(d, far, porttest.IndexLen, 30); len(got) != 20 {
				t.Errorf("%d packets arrived, want 20", len(got))
			}
			if got := d.State().TX.Stats.Dropped[c.want].Packets; got != 10 {
				t.Errorf("%d dropped as %s, want 10", got, c.want)
			}
		})
	}
}

func TestNoSlave(t *testing.T) {
	near := porttest.New(64, 64)
	d := New(near, nil, Config{Policy: mustParse(t, "percent 0")})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	for range 10 {
		near.In <- porttest.SuperFrame(0, 7, 100)
	}
	for d.State().TX.Stats.Offered.Packets < 70 {
		time.Sleep(time.Millisecond)
	}
	info := d.State()
	if got := info.TX.Stats.Dropped[api.DropNoSlave]; got != (api.Count{Packets: 70, Bytes: 70 * (porttest.HeaderLen + 100)}) {
		t.Errorf("dropped for want of a slave: %+v, want 70 packets", got)
	}
	if info.TX.Verdicts != (api.Verdicts{}) {
		t.Errorf("verdicts %+v on packets that no policy saw", info.TX.Verdicts)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	checkCounters(t, d)
}

// Malformed frames are counted and take a number; valid frames around them are relayed.
func TestMalformed(t *testing.T) {
	near, far := porttest.New(64, 64), porttest.New(64, 64)
	d := started(t, near, far, Config{})
	bad := porttest.SuperFrame(0, 3, 100)
	bad[1] = 0x15 // a GSO type that does not exist
	near.In <- porttest.SuperFrame(0, 1, porttest.IndexLen)
	near.In <- bad
	near.In <- frame.Frame("runt")
	near.In <- porttest.SuperFrame(1, 1, porttest.IndexLen)
	if got := arrived(d, far, porttest.IndexLen, 4); !slices.Equal(got, []uint64{0, 1}) {
		t.Errorf("arrived: %v, want 0 and 1", got)
	}
	if got := d.State().TX.Stats.Dropped[api.DropMalformed].Packets; got != 2 {
		t.Errorf("%d malformed, want 2", got)
	}
}

// A frame that exceeds the MTU of the far side is counted, whether whole or split.
func TestTooBig(t *testing.T) {
	near, far := porttest.New(64, 64), porttest.New(64, 64)
	d := started(t, near, nil, Config{})
	d.tx.SetEnd(&relay.End{Port: far, MTU: 1000})
	near.In <- porttest.SuperFrame(0, 10, 1000-porttest.IPLen-8)
	near.In <- porttest.SuperFrame(10, 10, 1001-porttest.IPLen-8)
	if got := arrived(d, far, 1000-porttest.IPLen-8, 20); len(got) != 10 || got[0] != 0 {
		t.Errorf("arrived: %v, want the first ten", got)
	}
	if got := d.State().TX.Stats.Dropped[api.DropTooBig].Packets; got != 10 {
		t.Errorf("%d too big, want 10", got)
	}
}

// If the slave is replaced while a batch is written, the rest of the batch goes to the new
// slave.
func TestExchangeLosesNothing(t *testing.T) {
	const total = 20_000
	near, far := porttest.New(64, 64), porttest.New(8, 64)
	d := started(t, near, nil, Config{})
	d.tx.SetEnd(&relay.End{Port: far})
	go feed(near, total, 1, porttest.IndexLen)
	seen := make([]int, total)
	for n := range total {
		for _, i := range porttest.Indices(<-far.Out, porttest.IndexLen) {
			seen[i]++
		}
		if n%50 == 0 {
			next := porttest.New(0, 64)
			next.Out = far.Out // one wire behind all ports
			d.tx.SetEnd(&relay.End{Port: next})
			far.Close()
			far = next
		}
	}
	for i, n := range seen {
		if n != 1 {
			t.Fatalf("packet %d arrived %d times", i, n)
		}
	}
}

// A device that ends leaves no goroutine.
func TestNothingLeaks(t *testing.T) {
	defer goleak.VerifyNone(t)
	for range 20 {
		near, far := porttest.New(1, 1), porttest.New(1, 1)
		d := New(near, far, Config{})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx) }()
		near.In <- porttest.SuperFrame(0, 1, porttest.IndexLen)
		<-far.Out
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}
