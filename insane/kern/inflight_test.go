package kern

import "testing"

// Drain returns when all inflight frames have arrived, on any CPU, or when the missing
// ones count as lost. A late arrival corrects that count.
func TestDrain(t *testing.T) {
	needRoot(t)
	p := openObjects(t, nil)
	direction, first := p.RX(), &p.memory.inflights[0]
	last := &p.memory.inflights[len(p.memory.inflights)-1]
	lost := func(what string, want uint64) {
		t.Helper()
		if got := direction.Lost(); got != want {
			t.Errorf("%s: %d lost, want %d", what, got, want)
		}
	}
	direction.Drain()
	first.started.Add(5)
	last.arrived.Add(5)
	direction.Drain()
	lost("all there", 0)

	first.started.Add(3)
	done := make(chan struct{})
	go func() {
		defer close(done)
		direction.Drain()
	}()
	last.arrived.Add(1)
	<-done
	lost("one of three there", 2)
	direction.Drain() // does not wait again
	lost("the same two", 2)
	last.arrived.Add(1)
	direction.Drain()
	lost("one came late", 1)

	direction.Settle()
	first.started.Add(1)
	direction.Settle()
	lost("another is on its way", 1)
	direction.Settle()
	lost("it does not move", 2)
	last.arrived.Add(2)
	direction.Settle()
	lost("all there at last", 0)
}
