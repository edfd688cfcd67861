package kern

import "testing"

// Land returns when everything is there, whichever processor sent it and received it;
// and when what is not there must be lost, which it takes back if it comes after all.
func TestLand(t *testing.T) {
	needRoot(t)
	p := openObjects(t, nil)
	direction, first := p.RX(), &p.memory.flights[0]
	last := &p.memory.flights[len(p.memory.flights)-1]
	missing := func(what string, want uint64) {
		t.Helper()
		if got := direction.Missing(); got != want {
			t.Errorf("%s: %d missing, want %d", what, got, want)
		}
	}
	direction.Land()
	first.started.Add(5)
	last.landed.Add(5)
	direction.Land()
	missing("all there", 0)

	first.started.Add(3)
	done := make(chan struct{})
	go func() {
		defer close(done)
		direction.Land()
	}()
	last.landed.Add(1)
	<-done
	missing("one of three there", 2)
	direction.Land() // does not wait again
	missing("the same two", 2)
	last.landed.Add(1)
	direction.Land()
	missing("one came late", 1)

	direction.Settle()
	first.started.Add(1)
	direction.Settle()
	missing("another is on its way", 1)
	direction.Settle()
	missing("it does not move", 2)
	last.landed.Add(2)
	direction.Settle()
	missing("all there at last", 0)
}
