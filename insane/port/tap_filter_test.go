package port

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// A frame that the filter refuses does not enter the queue and counts as dropped.
func TestTAPFilter(t *testing.T) {
	l := newNamespace(t)
	tap := openTAP(t, l, "insane")
	sysctl(t, "net/ipv6/conf/insane/disable_ipv6", "1") // IPv6 would send packets of its own
	must(t, tap.SetUp())
	must(t, tap.SetCarrier(true))
	if err := tap.SetFilter(-2); err == nil {
		t.Error("a filter that does not exist was accepted")
	}
	must(t, tap.SetFilter(refuseAll(t).FD()))
	before := linkOf(t, l, "insane").TxDropped
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Sendto(fd, make([]byte, 60), 0, &unix.SockaddrLinklayer{Ifindex: tap.Index()}))
	if got := linkOf(t, l, "insane").TxDropped; got != before+1 {
		t.Errorf("%d frames dropped, want %d", got-before, 1)
	}
}

// refuseAll is a socket filter that accepts no frame.
func refuseAll(t *testing.T) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SocketFilter, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}
