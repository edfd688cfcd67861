package host

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// Events tell of an address in the form in which Addresses lists it, so that one can be
// found by the other.
func TestAddressEventsAreAddresses(t *testing.T) {
	l := ownLinks(t)
	if l == nil {
		return
	}
	newVeth(t, l, "near", "far")
	near := handleOf(t, l, "near")
	sysctl(t, "net/ipv6/conf/near/disable_ipv6", "0")
	must(t, l.h.LinkSetUp(near))

	var w addressEvents
	w.watch(t, l)
	for _, c := range []struct{ local, peer string }{
		{"10.9.0.1/24", ""}, {"10.8.0.1/32", "10.8.0.2/24"}, {"10.7.0.1/32", "10.7.0.2/32"},
		{"fd00:9::1/64", ""}, {"fd00:8::1/128", "fd00:8::2/64"},
	} {
		addr, err := netlink.ParseAddr(c.local)
		must(t, err)
		if addr.Flags = 0x02; c.peer != "" { // IFA_F_NODAD
			addr.Peer, err = netlink.ParseIPNet(c.peer)
			must(t, err)
		}
		for _, gone := range []bool{false, true} {
			change := l.h.AddrAdd
			if gone {
				change = l.h.AddrDel
			}
			before, err := l.Addresses()
			must(t, err)
			must(t, change(near, addr))
			after, err := l.Addresses()
			must(t, err)
			want := difference(before, after)
			if gone {
				want = difference(after, before)
			}
			if len(want) != 1 {
				t.Fatalf("%v: %v was listed before, %v after it", c, before, after)
			}
			w.await(t, AddressEvent{Address: want[0], Gone: gone})
		}
	}
}

// addressEvents are those of a watch.
type addressEvents struct {
	mu   sync.Mutex
	told []AddressEvent
}

// watch watches until the test ends.
func (w *addressEvents) watch(t *testing.T, l *Links) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done, err := l.Watch(ctx, WatchOptions{Wake: func(e Events) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, e.Addresses...)
	}})
	must(t, err)
	t.Cleanup(func() { cancel(); <-done })
}

// await waits for an event.
func (w *addressEvents) await(t *testing.T, want AddressEvent) {
	t.Helper()
	for end := time.Now().Add(3 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		w.mu.Lock()
		told := slices.Clone(w.told)
		w.mu.Unlock()
		if slices.Contains(told, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v was not told, but %v", want, told)
		}
	}
}

// difference returns the members of b that are not in a.
func difference(a, b []Address) []Address {
	return slices.DeleteFunc(slices.Clone(b), func(x Address) bool { return slices.Contains(a, x) })
}
