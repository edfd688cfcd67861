package host

import (
	"context"
	"os/exec"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nft changes the tables of the thread's namespace.
func nft(t testing.TB, script string) {
	t.Helper()
	if out, err := exec.Command("nft", script).CombinedOutput(); err != nil {
		t.Fatalf("nft %s: %v\n%s", script, err, out)
	}
}

// EgressChain finds the chains at the egress hook of one link, however the user has named
// the link, and no others.
func TestEgressChain(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	for _, step := range []struct {
		script    string
		near, far bool
	}{
		{"list ruleset", false, false},
		{`add table netdev t; add chain netdev t in { type filter hook ingress device "near" priority 0; }`, false, false},
		{`add table inet t; add chain inet t out { type filter hook output priority 0; }`, false, false},
		{`add chain netdev t out { type filter hook egress device "near" priority 0; }`, true, false},
		{`add chain netdev t both { type filter hook egress devices = { "near", "far" } priority 1; }`, true, true},
		{`delete chain netdev t out`, true, true},
		{`delete table netdev t`, false, false},
	} {
		nft(t, step.script)
		for name, want := range map[string]bool{"near": step.near, "far": step.far, "nearer": false} {
			if got, err := l.EgressChain(name); err != nil || got != want {
				t.Errorf("after %s: %s has a chain at egress: %v (%v), want %v", step.script, name, got, err, want)
			}
		}
	}
}

// Newer kernels accept the beginning of a name, for all links that are called so.
func TestEgressChainByPrefix(t *testing.T) {
	chain := func(hook uint32) []byte {
		a := nl.NewRtAttr(unix.NFTA_CHAIN_HOOK|unix.NLA_F_NESTED, nil)
		a.AddRtAttr(unix.NFTA_HOOK_HOOKNUM, nl.BEUint32Attr(hook))
		a.AddRtAttr(nftaHookDevs|unix.NLA_F_NESTED, nil).AddRtAttr(nftaDevicePrefix, nl.ZeroTerminated("eth"))
		return append(make([]byte, nl.SizeofNfgenmsg), a.Serialize()...)
	}
	for _, c := range []struct {
		hook uint32
		name string
		want bool
	}{
		{unix.NF_NETDEV_EGRESS, "eth0", true}, {unix.NF_NETDEV_EGRESS, "et", false},
		{unix.NF_NETDEV_EGRESS, "veth0", false}, {unix.NF_NETDEV_INGRESS, "eth0", false},
	} {
		if got := atEgress(chain(c.hook), c.name); got != c.want {
			t.Errorf("hook %d of eth*, link %s: %v, want %v", c.hook, c.name, got, c.want)
		}
	}
	for _, broken := range [][]byte{nil, {1}, make([]byte, 5), append(make([]byte, 4), 0xff, 0xff, 4, 0)} {
		if atEgress(broken, "eth0") {
			t.Errorf("% x is a chain at egress", broken)
		}
	}
}

// A change of nftables calls wake once, no matter how many rules it has.
func TestWatchNFTables(t *testing.T) {
	l := ownLinks(t)
	if l == nil {
		return
	}
	var changes, others atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	done, err := l.Watch(ctx, WatchOptions{Wake: func(e Events) {
		if e.NFTables {
			changes.Add(1)
		}
		if e.Lost || len(e.Links) > 0 {
			others.Add(1)
		}
	}})
	must(t, err)
	defer func() { cancel(); <-done }()
	script := "add table ip t; add chain ip t c"
	for range 100 {
		script += "; add rule ip t c counter"
	}
	nft(t, script)
	await(t, "a wake-up after a change of nftables", func() bool { return changes.Load() > 0 })
	nft(t, "delete table ip t")
	await(t, "a wake-up after the next change", func() bool { return changes.Load() > 1 })
	if c, o := changes.Load(), others.Load(); c > 2 || o != 0 {
		t.Errorf("%d wake-ups after 2 changes, and %d for other reasons", c, o)
	}
}
