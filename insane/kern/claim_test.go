package kern

import (
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-39a139a1/insane/policy"
)

// A claim for all of IPv6 does not hold for IPv4, and the other way round, although the
// kernel has both in one table.
func TestDefaultRoutes(t *testing.T) {
	b := newBench(t, nil)
	for _, c := range []struct {
		what   string
		claims Claims
		v4, v6 owner
	}{
		{"nothing", nil, slave, slave},
		{"an empty table", Claims{}, slave, slave},
		{"all of IPv4", Claims{network("0.0.0.0/0"): Routed}, device, slave},
		{"all of IPv6", Claims{network("::/0"): Routed}, slave, device},
		{"the half of IPv6 that IPv4 is in", Claims{network("::/1"): Routed}, slave, device},
		{"both", Claims{network("::/0"): Routed, network("0.0.0.0/0"): Routed}, device, device},
		{"all but one", Claims{network("0.0.0.0/0"): Routed, network(routed4 + "/32"): 0,
			network("::/0"): Routed, network(routed6 + "/128"): 0}, slave, slave},
		{"only one", Claims{network("0.0.0.0/0"): 0, network(routed4 + "/32"): Routed,
			network("::/0"): 0, network(routed6 + "/128"): Routed}, device, device},
		{"of a longer prefix only", Claims{network("192.0.2.0/29"): Routed, network("192.0.2.6/31"): 0,
			network("2001:db8::/125"): Routed, network("2001:db8::6/127"): 0}, slave, slave},
		{"host bits", Claims{netip.MustParsePrefix("192.0.2.9/24"): Routed,
			netip.MustParsePrefix("2001:db8::9/64"): Routed}, device, device},
	} {
		before := len(c.claims)
		must(t, b.Claim(c.claims))
		if len(c.claims) != before {
			t.Errorf("%s: Claim changed what it was given", c.what)
		}
		if got := b.auto(toHost, 0x0800, udp4(routed4, host4)); got != c.v4 {
			t.Errorf("%s: IPv4 is the %v's, want the %v's", c.what, got, c.v4)
		}
		if got := b.auto(toHost, 0x86dd, udp6(routed6, plain6)); got != c.v6 {
			t.Errorf("%s: IPv6 is the %v's, want the %v's", c.what, got, c.v6)
		}
	}
}

// While claims are replaced again and again, each frame is decided by one whole set.
// Either set gives these frames to the device: one by the destination, the other by the
// source. A part of a set, no set, or a mix of both would give them to the slave.
func TestClaimExchangesAll(t *testing.T) {
	b := newBench(t, nil)
	sets := exchanged()
	must(t, b.Claim(sets[0]))
	const enough = 80
	var done atomic.Int32
	var group sync.WaitGroup
	group.Go(func() {
		for done.Load() < enough && done.Add(1) > 0 {
			if err := b.Claim(sets[done.Load()%2]); err != nil {
				t.Error(err)
				break
			}
		}
		done.Store(enough)
	})
	frames, slaves := 0, 0
	for ; done.Load() < enough; frames++ {
		body := udp6(hostNumber(hosts+frames%hosts).String(), hostNumber(frames%hosts).String())
		if b.auto(toHost, 0x86dd, body) != device {
			slaves++
		}
	}
	group.Wait()
	if slaves > 0 || frames < 10*enough {
		t.Errorf("%d of %d frames met parts of two sets", slaves, frames)
	}
}

// Claims that were prepared are in force after Claim, however many there are, and so are
// others afterwards. An empty set is one, too.
func TestPreparedClaims(t *testing.T) {
	b := newBench(t, nil)
	many := Claims{network(routed4 + "/32"): Routed}
	for i := range 3*fillBatch/2 + 1 {
		many[netip.PrefixFrom(hostNumber(1000+i), 128)] = Own
	}
	must(t, b.Prepare(Claims{}))
	must(t, b.Prepare(many))
	for _, c := range []struct {
		what   string
		claims Claims
		want   owner
	}{
		{"prepared", many, device}, {"none", nil, slave}, {"prepared, again", many, device},
		{"others", Claims{network(routed4 + "/32"): 0}, slave}, {"the same ones in another map", maps.Clone(many), device},
	} {
		must(t, b.Claim(c.claims))
		if got := b.auto(toHost, 0x0800, udp4(routed4, host4)); got != c.want {
			t.Errorf("%s: a frame is the %v's, want the %v's", c.what, got, c.want)
		}
	}
	must(t, b.Claim(many))
	for _, i := range []int{0, fillBatch - 1, fillBatch, 3 * fillBatch / 2} {
		if got := b.auto(toHost, 0x86dd, udp6(routed6, hostNumber(1000+i).String())); got != device {
			t.Errorf("a frame to host %d of many is the %v's", i, got)
		}
	}
}

// hosts is the number of hosts in each set of exchanged.
const hosts = 60

// exchanged returns two sets of claims. In the second one the look-up of a destination
// takes long, so that an exchange often falls between two look-ups of one frame.
func exchanged() (sets [2]Claims) {
	sets = [2]Claims{{}, {}}
	for i := range hosts {
		sets[0][netip.PrefixFrom(hostNumber(i), 128)] = Own
		sets[1][netip.PrefixFrom(hostNumber(hosts+i), 128)] = Routed
	}
	for bits := range 120 {
		sets[1][netip.PrefixFrom(hostNumber(0), bits).Masked()] = 0
	}
	return sets
}

func hostNumber(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0x20, 14: byte(i >> 8), 15: byte(i)})
}

// The programs keep answers of the table for fewer addresses than these. Each address has its
// own answer all the same, the first time and later, and the next set of claims counts at once.
func TestManyAddresses(t *testing.T) {
	b := newBench(t, nil)
	const addresses = 300
	for round := range 4 {
		claims, owners := Claims{}, []owner{slave, device}
		for i := round % 2; i < addresses; i += 2 {
			claims[netip.PrefixFrom(hostNumber(i), 128)] = Own
		}
		must(t, b.Claim(claims))
		for i := range 2 * addresses {
			to := i / 2 // each one twice in a row, and again in the next round
			want := owners[(to+round+1)%2]
			if got := b.auto(toHost, 0x86dd, udp6(routed6, hostNumber(to).String())); got != want {
				t.Fatalf("round %d: address %d is the %v's, want the %v's", round, to, got, want)
			}
		}
	}
}

// The slave owns every frame while no watchdog runs.
func TestWatchdog(t *testing.T) {
	b := newBench(t, hostClaims)
	auto := func() bool { return b.auto(toHost, 0x0800, udp4(plain4, own4)) == device }
	all := func() bool {
		return b.owner(b.bpf.ReceiveAll, toHost, etherExperiment, someUDP) == device
	}
	for _, c := range []struct {
		what  string
		until policy.Time
		want  bool
	}{
		{"no watchdog", 0, false},
		{"one that runs", now() + forever, true},
		{"one that has run out", now() - 1, false},
		{"one for ever", 1<<63 - 1, true},
		{"ended", 0, false},
	} {
		b.RX().Kick(c.until)
		if gotAuto, gotAll := auto(), all(); gotAuto != c.want || gotAll != c.want {
			t.Errorf("%s: auto takes %v, all %v, want %v", c.what, gotAuto, gotAll, c.want)
		}
	}
	b.RX().Kick(now() + forever/3600/20) // 50 ms
	await(t, "the watchdog to run out", func() bool { return !auto() && !all() })
}

// A fresh filter, without claims or watchdog, takes nothing.
func TestFreshFilter(t *testing.T) {
	b := newBench(t, nil)
	fresh, err := Open("insane")
	must(t, err)
	defer fresh.Close()
	b.Objects = fresh
	for _, until := range []policy.Time{0, now() + forever} {
		fresh.RX().Kick(until)
		if got := b.auto(toHost, 0x0800, udp4(plain4, own4)); got != slave {
			t.Errorf("until %d: %v", until, got)
		}
	}
}
