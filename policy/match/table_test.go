package match

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// parse reads a match that is right.
func parse(t testing.TB, text string) Match {
	t.Helper()
	m, err := Parse(strings.Fields(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

// A key has 56 bytes without padding, and its words are all of them.
func TestKeyIsFlat(t *testing.T) {
	if n := unsafe.Sizeof(Key{}); n != 56 || n != unsafe.Sizeof(words{}) {
		t.Errorf("a key has %d bytes", n)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var w words
		w[rng.IntN(len(w))] = 1 << rng.IntN(64)
		k := w.key()
		if k == (Key{}) || k.words() != w {
			t.Fatalf("%x becomes %+v, and that %x", w, k, k.words())
		}
	}
}

// Whatever the list of matches and the packet are, a table finds the match that one would
// find by looking at them one after the other. A match that is refused because no packet fits
// it fits none.
func TestLookupIsLinearSearch(t *testing.T) {
	const lists, keys = 2500 / raceDivisor, 400 // 10⁶ look-ups
	rng := rand.New(rand.NewPCG(3, 4))
	var found, none, refused int
	for range lists {
		var list []Match
		var oracles, refusals []oracle
		for range 1 + rng.IntN(pick(rng, 3, 12, 50)) {
			words := randomMatch(rng)
			m, err := Parse(words)
			if err != nil {
				refused++
				refusals = append(refusals, oracleOf(words))
				continue
			}
			list, oracles = append(list, m), append(oracles, oracleOf(words))
		}
		table := NewTable(list)
		for range keys {
			k, length := randomKey(rng)
			want, there := 0, false
			for i := 0; i < len(oracles) && !there; i++ {
				want, there = i, oracles[i].fits(&k, length)
			}
			got, ok := table.Lookup(&k, length)
			if ok != there || ok && got != want {
				t.Fatalf("%q, %+v of %d bytes: %d, %v, want %d, %v", list, k, length, got, ok, want, there)
			}
			for _, o := range refusals {
				if o.fits(&k, length) {
					t.Fatalf("a match that was refused fits %+v of %d bytes", k, length)
				}
			}
			if ok {
				found++
			} else {
				none++
			}
		}
	}
	t.Logf("%d found, %d not, %d matches refused", found, none, refused)
	if found < lists*keys/10 || none < lists*keys/10 {
		t.Errorf("%d found, %d not: the test is empty", found, none)
	}
}

// hosts returns n matches of one shape, each with another address.
func hosts(t testing.TB, n int) (list []Match) {
	for i := range n {
		list = append(list, parse(t, "dst host 10.9."+strconv.Itoa(i>>8)+"."+strconv.Itoa(i&255)))
	}
	return list
}

// The most rules make one mask, and each of them is found.
func TestMostRules(t *testing.T) {
	list := hosts(t, MaxRules)
	table := NewTable(list)
	if n := len(table.tuples); n != 1 {
		t.Errorf("%d masks", n)
	}
	for i := range list {
		k := Key{EtherType: etherIPv4, Has: HasIPv4, Destination: [16]byte{10, 9, byte(i >> 8), byte(i)}}
		if got, ok := table.Lookup(&k, 60); !ok || got != i {
			t.Fatalf("%d: %d, %v", i, got, ok)
		}
	}
}

// A look-up allocates nothing.
func TestLookupAllocatesNothing(t *testing.T) {
	table := NewTable([]Match{parse(t, "tcp port 80 greater 1000"), parse(t, "udp portrange 5-9"), parse(t, "any")})
	k := Key{EtherType: etherIPv4, Has: HasIPv4 | HasProtocol | HasPorts, Protocol: protocolUDP, SourcePort: 4}
	if n := testing.AllocsPerRun(100, func() {
		if rule, _ := table.Lookup(&k, 60); rule != 2 {
			t.Error(rule)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	masks := []Match{}
	for bits := range 31 {
		net := netip.PrefixFrom(netip.MustParseAddr("10.9.0.0"), bits+1).Masked().String()
		masks = append(masks, parse(b, "dst net "+net+" dst port 9"))
	}
	for _, bench := range []struct {
		name string
		list []Match
		want int
	}{
		{"1", []Match{parse(b, "dst host 10.9.0.7")}, 0},
		{"65534", hosts(b, MaxRules), 7},
		{"32 masks", append(masks[:len(masks):len(masks)], parse(b, "dst host 10.9.0.7")), 31},
	} {
		b.Run(bench.name, func(b *testing.B) {
			table := NewTable(bench.list)
			k := Key{EtherType: etherIPv4, Has: HasIPv4 | HasProtocol | HasPorts, Protocol: protocolUDP, DestinationPort: 5, Destination: [16]byte{10, 9, 0, 7}}
			b.ReportAllocs()
			for b.Loop() {
				if rule, ok := table.Lookup(&k, 60); rule != bench.want || !ok {
					b.Fatal(rule, ok)
				}
			}
		})
	}
}

func BenchmarkNewTable(b *testing.B) {
	list := hosts(b, MaxRules)
	b.ReportAllocs()
	for b.Loop() {
		NewTable(list)
	}
}
