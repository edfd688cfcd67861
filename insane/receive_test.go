package insane

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/ownership"
	"github.com/seed-39a139a1/insane/insane/slave"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Takes lists no network inside another network, and no excluded network.
func TestTakes(t *testing.T) {
	claims := kern.Claims{
		netip.MustParsePrefix("10.9.0.0/24"):    kern.Routed | kern.Subnet,
		netip.MustParsePrefix("10.9.0.1/32"):    kern.Own | kern.Routed | kern.Subnet,
		netip.MustParsePrefix("10.9.0.64/26"):   0,
		netip.MustParsePrefix("10.9.0.64/28"):   kern.Routed,
		netip.MustParsePrefix("10.9.0.128/25"):  kern.Routed,
		netip.MustParsePrefix("10.9.0.254/32"):  kern.Routed | kern.Strict,
		netip.MustParsePrefix("192.0.2.7/32"):   kern.Routed,
		netip.MustParsePrefix("192.0.2.1/32"):   kern.Host,
		netip.MustParsePrefix("192.0.2.254/32"): kern.Proxied,
		netip.MustParsePrefix("fd00::9/128"):    kern.Own,
		netip.MustParsePrefix("::/0"):           kern.Routed,
	}
	r := slave.Receiving{Mode: api.ReceiveAuto, Claims: claims, Words: ownership.Describe(claims, api.MaxTakes)}
	got := r.Takes()
	if want := []string{"10.9.0.1", "fd00::9"}; !slices.Equal(got.To, want) {
		t.Errorf("to %v, want %v", got.To, want)
	}
	if want := []string{"10.9.0.0/24", "10.9.0.64/28", "192.0.2.7", "::/0"}; !slices.Equal(got.From, want) {
		t.Errorf("from %v, want %v", got.From, want)
	}
	if got.More != 0 || got.Idle != "" {
		t.Errorf("%+v", got)
	}
	for _, mode := range []string{api.ReceiveNone, api.ReceiveAll} {
		r.Mode, r.Idle = mode, "why"
		if got := r.Takes(); len(got.To)+len(got.From) > 0 || got.To == nil || got.From == nil || got.Idle != "why" {
			t.Errorf("%s: %+v, want empty lists", mode, got)
		}
	}
}

// The answer has a limited size, and says how many entries are left out.
func TestTakesMuch(t *testing.T) {
	r := slave.Receiving{Mode: api.ReceiveAuto, Claims: make(kern.Claims)}
	const many = 3 * api.MaxTakes
	for i := range many {
		r.Claims[netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)] = kern.Routed
	}
	r.Words = ownership.Describe(r.Claims, ownership.MaxTakes)
	if got := r.Takes(); len(got.From) != api.MaxTakes || got.More != many-api.MaxTakes {
		t.Errorf("%d prefixes and %d more, want %d and the rest", len(got.From), got.More, api.MaxTakes)
	}
}

// openTaking opens a device that takes frames at a slave.
func (b *borea) openTaking(mode, slave string) *Device {
	b.t.Helper()
	d, err := Open(Config{Name: "insane", Slave: slave, Receive: mode, Seed: 1,
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}})
	b.must(err)
	b.t.Cleanup(func() { d.Close() })
	return d
}

// idleOf returns why the device takes no frames, after a look at the host.
func idleOf(d *Device) string {
	d.reconcile()
	return d.State().Takes.Idle
}

// Each reason that keeps a device from taking frames is reported, and disappears with its
// cause.
func TestIdle(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0, "192.0.2.1/24")
	d := b.openTaking(api.ReceiveAuto, "eth0")
	expect := func(what, want string) {
		t.Helper()
		if got := idleOf(d); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
		if armed := d.receive.Watchdog.Armed(); armed != (want == "") {
			t.Errorf("%s: the watchdog is armed: %v", what, armed)
		}
	}
	expect("at first", "")
	if got := d.State().Takes; !slices.Contains(got.To, "10.9.0.1") || !slices.Equal(got.From, []string{"10.9.0.0/24"}) {
		t.Errorf("%+v", got)
	}
	b.must(b.h.LinkSetDown(b.link("insane")))
	expect("down", "insane is down")
	b.must(b.h.LinkSetUp(b.link("insane")))
	expect("up again", "")
	b.must(b.h.LinkDel(b.link("eth0")))
	expect("without a slave", "eth0 is gone")
	b.veth("eth0", 0)
	expect("with another one", "")
	none := api.ReceiveNone
	if _, err := d.Set(api.Change{Receive: &none}); err != nil {
		t.Fatal(err)
	}
	if got := d.State().Takes; got.Idle != "" || len(got.To)+len(got.From) > 0 {
		t.Errorf("%+v with receive none", got)
	}
}

// An impossible mode is refused, and nothing changes.
func TestBadReceive(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0)
	d := b.openTaking(api.ReceiveAll, "eth0")
	before := portOf(d)
	lo, eth0, rx := "lo", "eth0", "percent 50"
	mode := func(m string) *string { return &m }
	for _, c := range []struct {
		change api.Change
		want   *api.Error
		field  string
		says   string
	}{
		{api.Change{Receive: mode("some")}, api.ErrInvalid, "receive", "want auto, none or all"},
		{api.Change{Receive: mode("")}, api.ErrInvalid, "receive", `""`},
		{api.Change{Slave: &lo}, api.ErrWrongType, "slave", "not with all"},
		{api.Change{Slave: &lo, Receive: mode("auto")}, api.ErrWrongType, "slave", "not with auto"},
		{api.Change{Slave: &eth0, Receive: mode("none"), RX: &rx}, api.ErrInvalid, "rx", "percent 50"},
	} {
		_, err := d.Set(c.change)
		var refusal *api.Error
		if !errors.Is(err, c.want) || !errors.As(err, &refusal) || refusal.Field != c.field || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v of %s", shownChange(c.change), err, c.want, c.field)
		}
		if s := d.State(); s.Receive != api.ReceiveAll || s.Slave != "eth0" || s.RX.Policy != "pass" || portOf(d) != before {
			t.Errorf("%s: refused, and yet the device changed: %+v", shownChange(c.change), s)
		}
	}
	if _, err := d.Set(api.Change{Slave: &lo, Receive: mode("none")}); err != nil {
		t.Errorf("loopback with receive none: %v", err)
	}
}

func shownChange(c api.Change) string {
	text := func(s *string) string {
		if s == nil {
			return "-"
		}
		return fmt.Sprintf("%q", *s)
	}
	return fmt.Sprintf("slave %s receive %s rx %s", text(c.Slave), text(c.Receive), text(c.RX))
}

// Modes are switched on the open socket, in both directions.
func TestSwitchMode(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0)
	d := b.openTaking(api.ReceiveNone, "eth0")
	socket := portOf(d)
	for _, mode := range []string{"auto", "all", "none", "all", "auto", "auto", "none", "none", "auto"} {
		if _, err := d.Set(api.Change{Receive: &mode}); err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		d.mu.Lock()
		steals := d.slave.Steals()
		d.mu.Unlock()
		if s := d.State(); s.Receive != mode || steals != (mode != api.ReceiveNone) || portOf(d) != socket {
			t.Errorf("%s: mode %s, steals %v", mode, s.Receive, steals)
		}
	}
}

// A second Close does nothing.
func TestCloseTwice(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0)
	d := b.openTaking(api.ReceiveAuto, "eth0")
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}
