package slave

import (
	"errors"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// openQueue opens a further queue of insane, as another program with CAP_NET_ADMIN can.
func openQueue(t *testing.T, l *lab.Lab) (fd int) {
	t.Helper()
	err := l.Borea.Do(func() (err error) {
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return err
		}
		request, err := unix.NewIfreq(api.DefaultName)
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR | unix.IFF_MULTI_QUEUE)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	})
	labtest.Must(t, err)
	return fd
}

// TestSecondQueue opens a second queue of insane. The device says so everywhere, and loses
// no packet to it: the steering program keeps all of them in its own queue.
func TestSecondQueue(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--path", "relay")
	testbed.AwaitCarrier(t, l, true)
	testbed.Relays(t, l, d.Client)
	for range testbed.Soak(t, 3) {
		queue := openQueue(t, l)
		labtest.Await(t, "a warning of the queue", func() bool { return labtest.Info(t, d).Warns(api.WarnQueue) })
		if out := labtest.Run(t, l.Borea, "insanely", "--socket", d.Socket); !strings.Contains(out, "warning  insane: another program") {
			t.Errorf("insanely does not say it:\n%s", out)
		}
		metrics := labtest.Run(t, l.Borea, "curl", "-s", "--abstract-unix-socket", strings.TrimPrefix(d.Socket, "@"), "http://insane/metrics")
		if !strings.Contains(metrics, `insane_warning{device="insane",kind="second-queue"} 1`) {
			t.Errorf("no metric says it:\n%s", metrics)
		}
		for range 20 { // flows with different ports, which the kernel would spread over the queues
			testbed.Relays(t, l, d.Client)
		}
		if n, err := unix.Read(queue, make([]byte, 2000)); err != unix.EAGAIN {
			t.Errorf("the second queue got a frame of %d bytes (%v)", n, err)
		}
		labtest.Must(t, unix.Close(queue))
		labtest.Await(t, "the warning to be over", func() bool { return !labtest.Info(t, d).Warns(api.WarnQueue) })
	}
	labtest.Await(t, "the log to say it", func() bool {
		log := d.Logs()
		return strings.Contains(log, "level=WARN msg=\"insane: another program") && strings.Contains(log, "no longer: insane: another")
	})
}

// alterations are what a program that opens insane can change for all who have it open.
var alterations = map[string]func(fd int) error{
	"the header":   func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, 12) },   // as QEMU does
	"its end":      func(fd int) error { return unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1) },             // as ip tuntap add does
	"the receiver": func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TUNSETTXFILTER, 1<<16) }, // one address, of zeros
}

// TestSecondQueueAlters: another program opens insane, changes what belongs to the whole
// interface, and closes it. Afterwards the relay passes packets as before, and insane goes
// with the daemon.
func TestSecondQueueAlters(t *testing.T) {
	t.Parallel()
	for name, alter := range alterations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--path", "relay")
			testbed.AwaitCarrier(t, l, true)
			queue := openQueue(t, l)
			labtest.Await(t, "a warning of the queue", func() bool { return labtest.Info(t, d).Warns(api.WarnQueue) })
			labtest.Must(t, alter(queue))
			labtest.Must(t, unix.Close(queue))
			labtest.Await(t, "the warning to be over", func() bool { return !labtest.Info(t, d).Warns(api.WarnQueue) })
			testbed.Relays(t, l, d.Client)
			labtest.Must(t, d.Kill())
			labtest.Await(t, "insane to be gone", func() bool {
				_, err := l.Borea.Netlink().LinkByName(api.DefaultName)
				return errors.As(err, &netlink.LinkNotFoundError{})
			})
		})
	}
}

// TestSecondQueueAtTheEnd: a daemon that is ended by a signal takes its interface with it,
// also if another program has opened it. The kernel tells of queues of an interface that is
// up only; those of one that is down are noticed as well.
func TestSecondQueueAtTheEnd(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"up":              {"--address", "10.8.0.1/24"},
		"down":            nil,
		"down, and relay": {"--path", "relay", "--receive", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			d := labtest.StartDaemon(t, l, append([]string{"--slave", "eth0"}, args...)...)
			queue := openQueue(t, l)
			defer unix.Close(queue)
			labtest.Await(t, "a warning of the queue", func() bool { return labtest.Info(t, d).Warns(api.WarnQueue) })
			labtest.Must(t, d.Stop())
			if link, err := l.Borea.Netlink().LinkByName(api.DefaultName); err == nil {
				t.Errorf("%s is still there: %+v", api.DefaultName, link.Attrs())
			}
		})
	}
}
