package wire

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestSlowSlave: a slave that is slow, or takes nothing for longer than the watchdog waits,
// does not make a daemon that works look dead. Every packet is judged, in its turn, or is an
// overrun.
func TestSlowSlave(t *testing.T) {
	const window = 2200 * time.Millisecond // after 1.8 s at most the kernel gives up a relay that hangs
	for _, tt := range []struct{ name, queue string }{
		{"slow", "tbf rate 300kbit burst 20kb limit 100mb"},
		{"takes nothing", "tbf rate 8bit burst 2kb limit 100mb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := testbed.New(t, api.PathKernel)
			labtest.Run(t, b.Borea, "tc", strings.Fields("qdisc add dev "+lab.Link+" root "+tt.queue)...)
			f := b.NewFlow(t, 4)
			testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment)
			testbed.SetOption(t, f.Out, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 64<<20)
			program, a := b.Begin(t, "percent 50", 21)
			sent := testbed.Supers(0)
			send := func() {
				from := int(sent)
				sent += testbed.PerSuper
				sent.Send(t, f, from, int(sent))
			}
			for range 300 { // fills the relay's socket, which holds 4 MiB
				send()
			}
			for end := time.Now().Add(window); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				send()
			}
			if now := b.Direction(labtest.Info(t, b.Daemon)); now.Path != api.PathKernel || unjudged(now, a) != 0 {
				t.Errorf("path %s (%s): %d packets without a verdict", now.Path, now.PathReason, unjudged(now, a))
			}
			// With a queue that has no room either, the slave refuses packets.
			labtest.Run(t, b.Borea, "tc", strings.Fields("qdisc replace dev "+lab.Link+" root handle 2: tbf rate 1mbit burst 20kb limit 20kb")...)
			for range 50 {
				send()
			}
			labtest.Run(t, b.Borea, "tc", "qdisc", "del", "dev", lab.Link, "root")
			b.AwaitQuiet(t)
			s, now := a.Stats(t), b.Direction(labtest.Info(t, b.Daemon))
			if n := unjudged(now, a); n != 0 {
				t.Errorf("%d of %d packets without a verdict", n, s.Offered.Packets)
			}
			if got, want := s.Dropped[api.DropPolicy].Packets, testbed.Drops(program, s.Offered.Packets); got != want || want == 0 {
				t.Errorf("the policy dropped %d packets, the engine says %d", got, want)
			}
			if most := uint64(sent); s.Offered.Packets+s.Overruns > most || s.Offered.Packets == 0 {
				t.Errorf("%d packets were sent, %d offered, %d overruns", most, s.Offered.Packets, s.Overruns)
			}
		})
	}
}

// unjudged returns how many packets of a run got no verdict.
func unjudged(d api.Direction, a testbed.Account) uint64 {
	return d.Stats.Offered.Packets - a.Before.Offered.Packets - d.Verdicts.Relay - d.Verdicts.Drop
}
