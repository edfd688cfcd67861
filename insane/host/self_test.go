package host

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

// owner is the descriptor of an interface, which a test moves and renames.
type owner struct {
	name   string
	home   bool
	err    error
	rename func() // called after each answer; nil: nothing happens
}

func (o *owner) Where() (name string, home bool, err error) {
	name, home, err = o.name, o.home, o.err
	if o.rename != nil {
		o.rename()
	}
	return name, home, err
}

func (o *owner) Intact() (bool, error) { return true, nil }

// An Interface is the link of its owner, whatever the links are called and whatever index
// they have. It changes no other link.
func TestInterfaceIsItsOwners(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "mine", "peer")
	o := &owner{name: "mine", home: true}
	i, err := NewInterface(l, o)
	must(t, err)
	index := linkOf(t, l, "mine").Index
	for _, name := range []string{"other", "mine", "third"} { // the owner follows each new name
		rename(t, l, o.name, name)
		o.name = name
		if link, err := i.Look(); err != nil || link.Index != index || i.Index() != index {
			t.Errorf("%s: %+v, %v, want index %d", name, link, err, index)
		}
	}
	newVeth(t, l, "mine", "peer2") // has the name that it had
	must(t, i.SetMTU(1400))
	if linkOf(t, l, "mine").MTU == 1400 || linkOf(t, l, "third").MTU != 1400 {
		t.Error("the MTU of the wrong link was set")
	}

	o.home = false
	before := linkOf(t, l, "third")
	if _, err := i.Look(); !errors.Is(err, ErrAway) || i.Index() != nowhere {
		t.Errorf("away: %v, index %d", err, i.Index())
	}
	must(t, i.SetMTU(1300))
	must(t, i.SetAlias("x"))
	for what, err := range map[string]error{
		"set up": i.SetUp(), "address": i.AddAddress(netip.MustParsePrefix("10.0.0.1/32")), "qdisc": i.SkipQdisc(),
		"route": i.put(entry{Route{Dst: netip.MustParsePrefix("10.1.0.0/16")}, metric4}),
	} {
		if !errors.Is(err, ErrAway) {
			t.Errorf("%s: %v, want %v", what, err, ErrAway)
		}
	}
	if after := linkOf(t, l, "third"); after.MTU != before.MTU || after.Alias != before.Alias {
		t.Errorf("%+v became %+v while the interface was away", before, after)
	}
	o.home = true
	if link, err := i.Look(); err != nil || link.Index != index {
		t.Errorf("back: %+v, %v", link, err)
	}
	o.err = errors.New("deleted")
	if _, err := i.Look(); !errors.Is(err, o.err) {
		t.Errorf("%v, want %v", err, o.err)
	}
}

// Look starts again if the interface is renamed while it looks.
func TestLookWhileRenamed(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "mine", "peer")
	index := linkOf(t, l, "mine").Index
	left := 5
	o := &owner{name: "mine", home: true}
	o.rename = func() {
		if left--; left < 0 {
			return
		}
		next := map[string]string{"mine": "other", "other": "mine"}[o.name]
		rename(t, l, o.name, next)
		newName := o.name
		o.name = next
		attrs := netlink.NewLinkAttrs() // somebody takes the name at once
		attrs.Name = newName
		must(t, l.h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
		if left > 0 {
			must(t, l.h.LinkDel(handleOf(t, l, newName)))
		}
	}
	me := &self{links: l, owner: o}
	me.seen.Store(&Link{Index: nowhere})
	if link, err := me.look(); err != nil || link.Index != index {
		t.Errorf("%+v, %v, want index %d", link, err, index)
	}
}

// Without waiting, the link of the last look is found, and no other one.
func TestLookNoWait(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "mine\xff\xe2\x80\x83", "peer") // ends in what Unicode calls a space
	o := &owner{name: "mine\xff\xe2\x80\x83", home: true}
	i, err := NewInterface(l, o)
	must(t, err)
	want := linkOf(t, l, o.name)
	if link, err := i.LookNoWait(); err != nil || link.Index != want.Index || link.MTU != want.MTU || link.TxDropped != want.TxDropped {
		t.Errorf("%+v, %v, want %+v", link, err, want)
	}
	rename(t, l, o.name, "other")
	if link, err := i.LookNoWait(); err == nil {
		t.Errorf("found %+v after a rename that it does not know of", link)
	}
	o.name = "other"
	_, err = i.Look()
	must(t, err)
	if link, err := i.LookNoWait(); err != nil || link.Name != "other" {
		t.Errorf("%+v, %v after the next look", link, err)
	}
}

// rename renames a link, which must be down for that before Linux 6.2.
func rename(t testing.TB, l *Links, from, to string) {
	t.Helper()
	link := handleOf(t, l, from)
	must(t, l.h.LinkSetDown(link))
	must(t, l.h.LinkSetName(link, to))
}
