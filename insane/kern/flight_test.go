package kern

import "testing"

// Land returns when everything is there, whichever processor sent it and received it;
// and when what is not there must be lost, which it takes back if it comes after all.
func TestLand(t *testing.T) {
	needRoot(t)
	p := openObjects(t, nil)
	lane, first := p.RX(), &p.memory.flights[0]
	last := &p.memory.flights[len(p.memory.flights)-1]
	missing := func(what string, want uint64) {
		t.Helper()
		if got := lane.Missing(); got != want {
			t.Errorf("%s: %d missing, want %d", what, got, want)
		}
	}
	lane.Land()
	first.started.Add(5)
	last.landed.Add(5)
	lane.Land()
	missing("all there", 0)

	first.started.Add(3)
	done := make(chan struct{})
	go func() {
		defer close(done)
		lane.Land()
	}()
	last.landed.Add(1)
	<-done
	missing("one of three there", 2)
	lane.Land() // does not wait again
	missing("the same two", 2)
	last.landed.Add(1)
	lane.Land()
	missing("one came late", 1)

	lane.Settle()
	first.started.Add(1)
	lane.Settle()
	missing("another is on its way", 1)
	lane.Settle()
	missing("it does not move", 2)
	last.landed.Add(2)
	lane.Settle()
	missing("all there at last", 0)
}
