package kern

import (
	"math/rand/v2"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// steadyPolicies are policies whose verdicts do not change during a test: their phases
// last for hours and began an hour ago.
var steadyPolicies = []string{
	"pass", "percent 0", "percent 50", "percent 97", "percent 3", "percent 99.9",
	"time 3h 3h", "time 10m 10h", "percent 97 time 3h 3h", "percent 97 time 10m 10h",
	"every 1", "every 2", "every 100", "percent 97 every 50", "every 30 time 3h 3h", "every 5 time 10m 10h",
}

// rarePolicies are steady, too, with stages that the kernel knows only of what is sent.
var rarePolicies = []string{
	"percent 97 run 5", "percent 50 run 1", "percent 10 run 20", "gemodel 1 10", "gemodel 5 30 50 1", "state 1 10 20 30 0.2",
	"exactly 1 of 50", "exactly 7 of 1000", "drop 1-40,100-200,1000-3000", "percent 97 run 5 gemodel 1 10 50 exactly 1 of 100 time 3h 3h",
}

// The kernel decides about each frame and counts it as the relay would. Kernel and relay
// take numbers from one counter; the test takes the part of the relay.
func TestFastpathIsTheRelays(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	epoch := max(now(), 2*forever) - forever
	r := rand.New(rand.NewPCG(1, 2))
	var seen [4]int
	for _, text := range append(steadyPolicies[:len(steadyPolicies):len(steadyPolicies)], rarePolicies...) {
		program := c.open(text, epoch)
		for range 3000 / raceDivisor {
			s := anyOrMessage(r, 2500)
			f := s.build(0)
			next := c.next.Load()
			want, layout := outcomeOf(&program, now(), next, f)
			got, counts := c.transmit(s, f)
			if expected := countsOf(want, program.Decide(now(), next), layout); got != want || counts != expected {
				t.Fatalf("%s: %+v: %v %+v, want %v %+v", text, s, got, counts, want, expected)
			}
			taken := c.next.Load() - next
			if taken != got.numbers(layout) {
				t.Fatalf("%s: %+v: %v, and %d numbers taken", text, s, got, taken)
			}
			if got == undecided {
				c.next.Add(uint64(layout.Packets()))
			}
			seen[got]++
		}
	}
	for is, n := range seen {
		if n < 500/raceDivisor {
			t.Errorf("%d frames %v: that is no test", n, outcome(is))
		}
	}
}

// The kernel leaves a frame to the relay, and takes no number, if it cannot parse the
// frame or the slave may refuse it.
func TestUndecided(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	tcp := sample{family: 4, protocol: unix.IPPROTO_TCP, payload: 2000, size: 500}
	udp := sample{family: 4, protocol: unix.IPPROTO_UDP, payload: 2000, size: 500}
	change := func(s sample, what string, at int, bytes ...byte) sample {
		s.what, s.mutate = what, func(f frame.Frame) { copy(f[frame.HeaderLen+at:], bytes) }
		return s
	}
	plain := sample{family: 4, protocol: unix.IPPROTO_UDP, payload: 100}
	tcp6, udp6, plain6 := tcp, udp, plain
	tcp6.family, udp6.family, plain6.family = 6, 6, 6
	empty := tcp
	empty.what, empty.payload = "no payload", 0
	c.open("pass", 0)
	for _, s := range []sample{
		change(tcp, "ARP", 12, 0x08, 0x06),
		change(tcp, "VLAN tag", 12, 0x81, 0x00),
		change(tcp, "GRE", 14+9, unix.IPPROTO_GRE),
		change(tcp, "IP in IP", 14+9, unix.IPPROTO_IPIP),
		change(udp, "SCTP", 14+9, unix.IPPROTO_SCTP),
		change(tcp6, "hop-by-hop header", 14+6, 0),
		change(udp6, "fragment header", 14+6, 44),
		empty,
		change(plain, "ESP", 14+9, unix.IPPROTO_ESP), // the kernel may encrypt it later
		change(plain6, "ESP over IPv6", 14+6, unix.IPPROTO_ESP),
	} {
		c.expect(s, undecided)
	}
	// This looks like a UDP tunnel: gso_segs is another number than the length gives.
	o := c.options(udp, udp.build(0))
	for segments, want := range map[uint32]uint32{4: actRedirect, 3: actUnspec, 5: actUnspec, 0: actUnspec} {
		o.Context.([]uint32)[41] = segments
		act, err := c.bpf.TransmitTcx.Run(o)
		must(t, err)
		if act != want {
			t.Errorf("UDP of %d packets, with 2000 bytes of 500 a packet: %d, want %d", segments, int32(act), int32(want))
		}
	}
}

// The fast path decides only while the direction is open and no frame waits.
func TestFastpathOnlyWhile(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	queue := c.direction.Queue()
	plain := sample{what: "plain", family: 4, protocol: unix.IPPROTO_UDP, payload: 100}
	super := sample{what: "super", family: 6, protocol: unix.IPPROTO_TCP, payload: 1000, size: 100}
	both := func(what string, want outcome) {
		t.Helper()
		for _, s := range []sample{plain, super} {
			s.what += ", " + what
			c.expect(s, want)
		}
	}
	both("before Open", undecided)
	c.open("percent 0", 0)
	both("open", dropped)
	c.enter()
	both("with a frame on its way to the relay", undecided)
	queue.Done(1)
	both("after it", dropped)
	c.direction.Close()
	both("closed", undecided)
	c.open("pass", 0)
	both("open again", relayed)
	must(t, c.direction.Open(policy.Program{}, 1<<30, "nowhere"))
	both("to a link that is not there", undecided)
}

// Packets above the MTU of the slave are left to the relay, which drops them.
func TestFastpathMinds(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	must(t, netlink.LinkSetMTU(linkOf(t, "slave"), 1500))
	c.open("pass", 0)
	fits := sample{what: "fits", family: 4, protocol: unix.IPPROTO_UDP, payload: 1500 - 28}
	big := fits
	big.what, big.payload = "too big", fits.payload+1
	c.expect(fits, relayed)
	c.expect(big, undecided)
	must(t, netlink.LinkSetMTU(linkOf(t, "slave"), 1501))
	c.expect(big, relayed)
}

// While the daemon is stopped, every packet is relayed and numbered without a verdict.
func TestFastpathWithoutWatchdog(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	c.open("percent 0", 0)
	super := sample{what: "super", family: 4, protocol: unix.IPPROTO_TCP, payload: 1000, size: 100}
	c.expect(super, dropped)
	c.enter() // this frame waits for the relay, and holds up no other
	for _, until := range []policy.Time{0, now() - 1} {
		c.direction.Kick(until)
		layout, err := frame.Inspect(super.build(0))
		must(t, err)
		want := countsOf(relayed, policy.Verdict{}, layout)
		want.UnjudgedPackets = want.RelayedPackets
		next := c.next.Load()
		if got, counts := c.transmit(super, super.build(0)); got != relayed || counts != want {
			t.Errorf("until %d: %v %+v, want %+v", until, got, counts, want)
		}
		if taken := c.next.Load() - next; taken != uint64(layout.Packets()) {
			t.Errorf("until %d: %d numbers taken", until, taken)
		}
	}
	c.direction.Kick(now() + forever)
	c.expect(super, undecided)
	c.direction.Queue().Done(1)
	c.expect(super, dropped)
}

// All CPUs take numbers from one counter, none twice and none left out. So the verdicts
// are those of all numbers up to the last one.
func TestNumbersAreSharedByProcessors(t *testing.T) {
	for _, text := range []string{"percent 90", "percent 90 run 5", "exactly 3 of 10"} {
		t.Run(text, func(t *testing.T) { sharedByProcessors(t, text) })
	}
}

func sharedByProcessors(t *testing.T, text string) {
	c := newCarrier(t, (*Objects).TX)
	program := c.open(text, 0)
	samples := []sample{
		{what: "plain", family: 4, protocol: unix.IPPROTO_UDP, payload: 18},
		{what: "super", family: 4, protocol: unix.IPPROTO_TCP, payload: 300, size: 100},
	}
	onProcessors(t, func() {
		for i := range 100 {
			s := samples[i%len(samples)]
			o := c.options(s, s.build(0))
			o.Repeat = uint32(5000 / raceDivisor)
			if _, err := c.bpf.TransmitTcx.Run(o); err != nil {
				t.Error(err)
			}
		}
	})
	var want Counts
	last := c.next.Load()
	for n := range last {
		if program.Decide(0, n).Lost() {
			want.DroppedPackets++
		} else {
			want.RelayedPackets++
		}
	}
	got := c.direction.Counts()
	if got.RelayedPackets != want.RelayedPackets || got.DroppedPackets != want.DroppedPackets || last < 1000 {
		t.Errorf("%d numbers: %d relayed, %d dropped; want %d, %d", last,
			got.RelayedPackets, got.DroppedPackets, want.RelayedPackets, want.DroppedPackets)
	}
}

// A program finds no facts of another one, also when the numbers begin anew, and when more
// programs have been opened than there are entries.
func TestMemoIsOfOneProgram(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	pol, err := policy.Parse("percent 50 run 20")
	must(t, err)
	small := sample{what: "small", family: 4, protocol: unix.IPPROTO_UDP, payload: 100}
	for owner := range entries + 50 {
		program := pol.Compile(0, uint64(owner))
		c.next = c.direction.Numbers()
		must(t, c.direction.Open(program, c.to, owner))
		first := uint64(4 * (owner / entries)) // behind the last facts of the program before in this entry
		c.next.Store(first)
		for number := first; number < first+4; number++ {
			want := relayed
			if program.Decide(0, number).Lost() {
				want = dropped
			}
			if got, _ := c.transmit(small, small.build(0)); got != want {
				t.Fatalf("program %d, packet %d: %v, want %v", owner, number, got, want)
			}
		}
	}
}
