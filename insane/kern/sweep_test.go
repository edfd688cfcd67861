package kern

import (
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// names returns the names of the bpf filters at ingress of a link.
func names(t *testing.T, index int) (list []string) {
	t.Helper()
	for _, line := range tcState(t, index) {
		fields := strings.Fields(line)
		if strings.HasPrefix(line, "filter bpf") && len(fields) == 11 {
			list = append(list, fields[10])
		}
	}
	slices.Sort(list)
	return list
}

// A daemon removes the filters that dead daemons have left on any link: filters of its
// own name, and filters of devices whose interface is gone. Other filters stay.
func TestSweep(t *testing.T) {
	near, _ := newNamespace(t)
	other, _ := newVeth(t, "eth1", "eth1-far")
	newVeth(t, "insane", "insane-far") // the interface of the one that starts
	living, _ := newVeth(t, "living", "living-far")
	index := near.Attrs().Index
	p := newVerdict(t, -1)
	leave := func(l netlink.Link, names ...string) {
		for i, name := range names {
			f := foreignBPF(l.Attrs().Index, 1, name, p)
			f.Handle = uint32(i + 1)
			must(t, netlink.FilterAdd(f))
		}
	}
	for _, l := range []netlink.Link{near, other, living} {
		addQdisc(t, l.Attrs().Index, "clsact")
	}
	leave(near, "insane/insane/clsact", "insane/gone", "insane/living", "insane/living/clsact", "insanely", "theirs")
	leave(other, "insane/gone/clsact")
	leave(living, "insane/insane", "insane/gone")
	r := openObjects(t, nil)
	closer, err := r.attachClsact(index)
	must(t, err)
	if got, want := names(t, index), []string{"insane/insane/clsact", "insane/living", "insane/living/clsact", "insanely", "theirs"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if state := tcState(t, other.Attrs().Index); len(state) > 0 {
		t.Errorf("%v on a link where a dead daemon had made the qdisc", state)
	}
	if state := tcState(t, living.Attrs().Index); !slices.Equal(state, []string{"qdisc clsact"}) {
		t.Errorf("%v on a link where others had made the qdisc, want it alone", state)
	}
	must(t, closer.Close())
	if got, want := names(t, index), []string{"insane/living", "insane/living/clsact", "insanely", "theirs"}; !slices.Equal(got, want) {
		t.Errorf("%v after Close, want %v", got, want)
	}
}

// Two daemons on one slave do not disturb each other, and the last of them removes
// the qdisc that the first has made.
func TestTwoDaemons(t *testing.T) {
	near, _ := newNamespace(t)
	index := near.Attrs().Index
	newVeth(t, "insane", "insane-far")
	newVeth(t, "other", "other-far")
	first, second := openObjects(t, nil), openObjects(t, nil)
	second.device = "other"
	a, err := first.attachClsact(index)
	must(t, err)
	b, err := second.attachClsact(index)
	must(t, err)
	if got, want := names(t, index), []string{"insane/insane/clsact", "insane/other/clsact"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	must(t, a.Close())
	if got, want := names(t, index), []string{"insane/other/clsact"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	must(t, b.Close())
	if state := tcState(t, index); len(state) > 0 {
		t.Errorf("left behind: %v", state)
	}
}
