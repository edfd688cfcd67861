package port

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// Reading a batch and writing a batch allocate nothing, on the TAP and on the slave.
func TestNoAllocation(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	tap := connectedTAP(t, l)
	host := openSlave(t, l, "insane", acceptAll)
	near := openSlave(t, l, "near", acceptAll)
	far := openSlave(t, l, "far", acceptAll)
	batch := []frame.Frame{reply(1), superTCP(macBroadcast, 2, 10, 1000), reply(3)}
	for _, c := range []struct {
		what     string
		from, to Port
	}{
		{"packet socket to packet socket", near, far},
		{"TAP to host", tap, host},
		{"host to TAP", host, tap},
	} {
		defer watchdog(c.to)()
		round := func() {
			send(t, c.from, batch...)
			for got := 0; got < len(batch); {
				frames, err := c.to.Read(0)
				must(t, err)
				got += len(frames)
			}
		}
		if n := testing.AllocsPerRun(200, round); n != 0 {
			t.Errorf("%s: %v allocations a batch, want none", c.what, n)
		}
	}
}

// Every errno that a TAP or a packet socket is known to return becomes the error that the
// relay counts. Other errnos stay what they are.
func TestPortError(t *testing.T) {
	for errno, want := range map[unix.Errno]error{
		unix.ENOBUFS:  ErrBusy,
		unix.EIO:      ErrDown,
		unix.ENETDOWN: ErrDown,
		unix.ENXIO:    ErrGone,
		unix.ENODEV:   ErrGone,
		unix.EBADFD:   ErrGone,
		unix.EINVAL:   ErrInvalid,
		unix.EMSGSIZE: ErrTooBig,
		unix.EFAULT:   unix.EFAULT,
	} {
		if got := portError(errno); got != want {
			t.Errorf("%v is %v, want %v", errno, got, want)
		}
	}
}
