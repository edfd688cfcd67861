package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
)

var background = context.Background()

// here returns the network namespace of the calling thread.
func here() (string, error) { return os.Readlink("/proc/thread-self/ns/net") }

func TestDoRunsInsideTheHost(t *testing.T) {
	l := newLab(t, Options{})
	outside, err := here()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{outside: "outside"}
	for _, h := range []*Host{l.Borea, l.Morgana} {
		var inside string
		if err := h.Do(func() (err error) { inside, err = here(); return err }); err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[inside]; ok {
			t.Errorf("%s runs in the namespace of %s", h.Name, other)
		}
		seen[inside] = h.Name
		var again string
		if err := h.Do(func() (err error) { again, err = here(); return err }); err != nil || again != inside {
			t.Errorf("second look into %s: %q, %v; first was %q", h.Name, again, err, inside)
		}
	}
	if back, _ := here(); back != outside {
		t.Errorf("the caller moved to %s", back)
	}
}

// Every thread must stay in its namespace, no matter what runs in the hosts and how many
// threads that needs.
func TestDoLeaksNoNamespace(t *testing.T) {
	l := newLab(t, Options{})
	outside, err := here()
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 64 {
		h := []*Host{l.Borea, l.Morgana}[i%2]
		group.Go(func() {
			for range 50 {
				err := h.Do(func() error {
					_, err := netlink.LinkByName(Link)
					return err
				})
				if err != nil {
					t.Errorf("%s: %v", h.Name, err)
				}
				if now, _ := here(); now != outside {
					t.Errorf("back from %s in %s", h.Name, now)
				}
			}
		})
	}
	group.Wait()
	// A thread takes a moment to end after the function it ran.
	Await(t, "all threads to be outside", func() bool {
		threads, err := filepath.Glob("/proc/self/task/*/ns/net")
		if err != nil || len(threads) == 0 {
			t.Fatalf("no threads: %v", err)
		}
		for _, thread := range threads {
			now, err := os.Readlink(thread)
			if err == nil && now != outside {
				return false
			}
		}
		return true
	})
}

func TestDoPassesErrorsOn(t *testing.T) {
	l := newLab(t, Options{})
	want := errors.New("mine")
	if err := l.Borea.Do(func() error { return want }); err != want {
		t.Errorf("got %v, want the function's own error", err)
	}
}

func TestDoEndsTheCallerWithTheFunction(t *testing.T) {
	l := newLab(t, Options{})
	came := make(chan string, 1)
	go func() {
		defer close(came)
		_ = l.Borea.Do(func() error { runtime.Goexit(); return nil })
		came <- "the caller went on"
	}()
	if text, on := <-came; on {
		t.Error(text)
	}
}

func TestDoAfterClose(t *testing.T) {
	l := newLab(t, Options{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err := l.Borea.Do(func() error { t.Error("ran"); return nil })
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want os.ErrClosed", err)
	}
}

func TestHostsAreAddressed(t *testing.T) {
	l := newLab(t, Options{MTU: 9000, Queues: 3})
	m, b := l.Morgana, l.Borea
	for _, tt := range []struct {
		host *Host
		want []netip.Addr
	}{
		{b, []netip.Addr{b.IPv4, b.IPv6}},
		{m, []netip.Addr{m.IPv4, m.SpareIPv4, m.IPv6, m.SpareIPv6}},
	} {
		link, err := tt.host.Netlink().LinkByName(Link)
		if err != nil {
			t.Fatal(err)
		}
		attrs := link.Attrs()
		if attrs.MTU != 9000 || attrs.NumTxQueues != 3 || attrs.NumRxQueues != 3 {
			t.Errorf("%s: mtu %d, queues %d and %d", tt.host.Name, attrs.MTU, attrs.NumTxQueues, attrs.NumRxQueues)
		}
		has := map[netip.Addr]bool{}
		list, err := tt.host.Netlink().AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			ip, _ := netip.AddrFromSlice(a.IP)
			has[ip.Unmap()] = true
		}
		for _, addr := range tt.want {
			if !has[addr] {
				t.Errorf("%s has no %s", tt.host.Name, addr)
			}
		}
		if has[b.SpareIPv4] || has[b.SpareIPv6] {
			t.Errorf("%s has borea's spare address", tt.host.Name)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		options Options
		want    string
	}{
		{Options{MTU: 1279}, "lab MTU 1279: must be 1280 to 65535 bytes"},
		{Options{MTU: 65536}, "lab MTU 65536: must be 1280 to 65535 bytes"},
		{Options{MTU: -1}, "lab MTU -1: must be 1280 to 65535 bytes"},
		{Options{Queues: -1}, "lab queues -1: must be 1 to 64"},
		{Options{Queues: 65}, "lab queues 65: must be 1 to 64"},
	} {
		if _, err := New(tt.options); fmt.Sprint(err) != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.options, fmt.Sprint(err), tt.want)
		}
	}
	for _, mtu := range []int{minMTU, maxMTU} {
		newLab(t, Options{MTU: mtu})
	}
}
