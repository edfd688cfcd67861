package policy

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// The packets of the list are lost and no others, counted from the change: 10⁷ packets, and
// not one mismatch.
func TestDropIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	n := uint64(many(10_000_000)) / 20
	for round := range 20 {
		listed := map[uint64]bool{}
		var parts []string
		for range 1 + r.IntN(maxRanges) {
			from := 1 + r.Uint64N(3000)
			to := from + r.Uint64N(1<<r.IntN(8))
			for number := from; number <= to; number++ {
				listed[number] = true
			}
			part := strconv.FormatUint(from, 10)
			if to > from {
				part += "-" + strconv.FormatUint(to, 10)
			}
			parts = append(parts, part)
		}
		text := "drop " + strings.Join(parts, ",")
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		first := r.Uint64N(1<<40) * uint64(round%2)
		prog := p.CompileAt(Start{First: first})
		for number := uint64(1); number <= n; number++ {
			want := Relay
			if listed[number] {
				want = ByDrop
			}
			if got := prog.Decide(0, first+number-1).By; got != want {
				t.Fatalf("%s: packet %d from number %d: %v, want %v", text, number, first, got, want)
			}
		}
		if first > 0 && prog.Decide(0, first-1).By != Relay {
			t.Errorf("%s: the packet before the change is lost", text)
		}
	}
}

// A list is printed in ascending order, in as few ranges as possible, and is limited.
func TestDropLists(t *testing.T) {
	ranges := func(n int) string {
		var parts []string
		for i := range n {
			parts = append(parts, strconv.Itoa(3*i+1)+"-"+strconv.Itoa(3*i+2))
		}
		return strings.Join(parts, ",")
	}
	for given, canonical := range map[string]string{
		"1": "1", "007": "7", "1,2,3": "1-3", "3,1,2": "1-3", "5-7,1": "1,5-7", "5-7,6-9": "5-9", "1-10,3-4": "1-10",
		"1-2,3-4": "1-4", "1-2,4": "1-2,4", "9-9": "9", "1000000000000": "1000000000000", "5,5,5": "5",
		ranges(maxRanges): ranges(maxRanges), ranges(maxRanges) + ",3-60": "1-60",
	} {
		p, err := Parse("drop " + given)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.Arguments(); got != canonical {
			t.Errorf("drop %s prints %s, want %s", given, got, canonical)
		}
		if again, err := Parse(p.String()); err != nil || again != p {
			t.Errorf("%v reads as %v, %v", p, again, err)
		}
	}
	for bad, want := range map[string]string{
		"0": "from 1 on", "0-3": "from 1 on", "": "incomplete", "1,": "from 1 on", ",1": "from 1 on", "-": "from 1 on", "1-": "from 1 on",
		"-1": "from 1 on", "1-2-3": "from 1 on", "a": "from 1 on", "1.5": "from 1 on", "7-5": "smaller number", "1000000000001": "above 1000000000000",
		"99999999999999999999": "above", ranges(maxRanges + 1): "more than 16 ranges", "1;2": "from 1 on", "1 2": "unexpected", "1, 2": "unexpected",
	} {
		if _, err := Parse("drop " + bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("drop %s: %v, want %s", bad, err, want)
		}
	}
}

// The stage in front of it counts what both lose, and the list is in the numbers of all packets.
func TestDropBesideOthers(t *testing.T) {
	prog := compile(t, "drop 2-4 every 3 time 0 1s", 0, 1)
	for seq, want := range []Stage{ByTime, ByDrop, ByEvery, ByDrop, ByTime, ByEvery} {
		if got := prog.Decide(0, uint64(seq)).By; got != want {
			t.Errorf("packet %d: %v, want %v", seq, got, want)
		}
	}
	if prog := compile(t, "drop 1-5 exactly 1 of 1", 0, 1); prog.Decide(0, 0).By != ByExactly {
		t.Error("exactly stands before drop")
	}
}
