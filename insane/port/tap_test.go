package port

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/policy"
)

// queueFrames is the length of the queue that host.NewInterface sets.
const queueFrames = 1000

// A new TAP is down, has no carrier, one queue and a virtio header, and does not persist.
func TestNewTAP(t *testing.T) {
	l := newNamespace(t)
	tap := openTAP(t, l, "insane")
	link := linkOf(t, l, "insane")
	if link.Up || link.Carrier || !link.Ethernet || link.Loopback || link.Index != tap.Index() {
		t.Errorf("%+v, want an Ethernet link of index %d that is down and has no carrier", link, tap.Index())
	}
	tun, ok := handleOf(t, l, "insane").(*netlink.Tuntap)
	if !ok || tun.Mode != netlink.TUNTAP_MODE_TAP || !tun.NonPersist || tun.Queues != 1 {
		t.Errorf("%+v, want a TAP of one queue that does not persist", tun)
	}
	if n := handleOf(t, l, "insane").Attrs().TxQLen; n != queueFrames {
		t.Errorf("queue of %d frames, want %d", n, queueFrames)
	}
	header, flags := 0, 0
	must(t, tap.ioctl(func(fd int) (err error) {
		if header, err = unix.IoctlGetInt(fd, unix.TUNGETVNETHDRSZ); err != nil {
			return err
		}
		flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		return err
	}))
	want := 10 // struct virtio_net_hdr
	if knowsTunnels(t) {
		want = 24 // struct virtio_net_hdr_v1_hash_tunnel
	}
	if header != want || tap.CarriesTunnels() != (want == 24) {
		t.Errorf("virtio header of %d bytes, want %d; carries tunnels: %v", header, want, tap.CarriesTunnels())
	}
	if flags&unix.FD_CLOEXEC == 0 {
		t.Error("a program that the daemon starts would inherit the TAP")
	}
}

// A change that another program makes for the whole interface is noticed and put back.
func TestRestore(t *testing.T) {
	l := newNamespace(t)
	tap := openTAP(t, l, "insane")
	if intact, err := tap.TAP.Intact(); err != nil || !intact {
		t.Errorf("a new TAP: intact %v, %v", intact, err)
	}
	const room = 1000
	must(t, tap.ioctl(func(fd int) error {
		return errors.Join(unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, frame.HeaderLen+2),
			unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1), unix.IoctlSetPointerInt(fd, unix.TUNSETSNDBUF, room))
	}))
	if intact, err := tap.TAP.Intact(); err != nil || intact || !linkOf(t, l, "insane").Persists {
		t.Errorf("a changed TAP: intact %v, %v, %+v", intact, err, linkOf(t, l, "insane"))
	}
	must(t, tap.TAP.Restore())
	if intact, err := tap.TAP.Intact(); err != nil || !intact || linkOf(t, l, "insane").Persists {
		t.Errorf("after Restore: intact %v, %v, %+v", intact, err, linkOf(t, l, "insane"))
	}
	must(t, tap.ioctl(func(fd int) error {
		if now, err := unix.IoctlGetInt(fd, unix.TUNGETSNDBUF); err != nil || now <= room {
			return fmt.Errorf("room for %d bytes, %w", now, err)
		}
		return nil
	}))
}

// While the header has another length, frames are lost, and Read goes on.
func TestReadWithAnotherHeader(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	host := openSlave(t, l, "insane", acceptNone)
	for _, length := range []int{12, 10, 20, 24, 64} {
		must(t, tap.ioctl(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, length) }))
		send(t, host, reply(1))
		if frames, err := tap.Read(clock() + policy.Time(10*time.Second)); err != nil || len(frames) == 0 {
			t.Errorf("header of %d bytes: %d frames, %v", length, len(frames), err)
		}
	}
	must(t, tap.TAP.Restore())
	send(t, host, reply(2))
	if got := numbers(readUntil(t, tap, 2)); !slices.Contains(got, 2) {
		t.Errorf("after Restore: %v", got)
	}
}

// Close deletes the interface and leaves no descriptor open.
func TestTAPEndsWithClose(t *testing.T) {
	l := newNamespace(t)
	before := descriptors(t)
	for range 3 {
		tap, err := OpenTAP("insane")
		must(t, err)
		must(t, tap.Close())
		if _, err := l.ByName("insane"); !errors.Is(err, host.ErrNoLink) {
			t.Fatalf("after Close: %v, want %v", err, host.ErrNoLink)
		}
		must(t, tap.Close())
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// descriptors returns the number of open descriptors of this process.
func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(list)
}

// holdTAP is a process that opens a TAP in the namespace in which it is started.
func holdTAP([]string) error {
	if _, err := OpenTAP("insane"); err != nil {
		return err
	}
	fmt.Println("open")
	time.Sleep(time.Minute)
	return nil
}

// The interface is deleted when the process is killed.
func TestTAPEndsWithItsProcess(t *testing.T) {
	l := newNamespace(t) // the child is started by this thread and so is in the namespace too
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "role-tap")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if n, err := out.Read(make([]byte, 10)); n == 0 {
		t.Fatalf("the child did not open a TAP: %v", err)
	}
	linkOf(t, l, "insane")
	must(t, cmd.Process.Kill())
	cmd.Wait()
	if _, err := l.ByName("insane"); !errors.Is(err, host.ErrNoLink) {
		t.Errorf("after a kill: %v, want %v", err, host.ErrNoLink)
	}
}

// OpenTAP refuses a name that is taken, and does not change the link that has it.
func TestTAPNameTaken(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	bridge := netlink.NewLinkAttrs()
	bridge.Name = "bridge"
	must(t, l.h.LinkAdd(&netlink.Bridge{LinkAttrs: bridge}))
	openTAP(t, l, "insane")
	must(t, l.h.LinkAddAltName(handleOf(t, l, "near"), "close"))
	if _, err := OpenTAP("close"); err == nil || err.Error() != "create interface close: it is an alternative name of the link near" {
		t.Errorf("an alternative name: %v", err)
	}
	before := descriptors(t)
	for _, name := range []string{"insane", "near", "bridge", "lo"} {
		was := linkOf(t, l, name)
		tap, err := OpenTAP(name)
		if err == nil {
			tap.Close()
			t.Fatalf("a second %s was made", name)
		}
		if want := "create interface " + name + ": there is a link of that name"; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		if is := linkOf(t, l, name); is.Index != was.Index || is.Up != was.Up || is.MTU != was.MTU {
			t.Errorf("%+v became %+v", was, is)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// If several goroutines open the same name at the same moment, exactly one succeeds.
func TestTAPNameRace(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	for range 10 {
		var mu sync.Mutex
		var won []*TAP
		var group sync.WaitGroup
		start := make(chan struct{})
		for range 8 {
			group.Go(func() {
				<-start
				tap, err := OpenTAP("insane")
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won = append(won, tap)
				case !strings.Contains(err.Error(), "create interface insane"):
					t.Errorf("a loser heard %q", err)
				}
			})
		}
		close(start)
		group.Wait()
		if len(won) != 1 {
			t.Errorf("%d winners", len(won))
		}
		for _, tap := range won {
			tap.Close()
		}
	}
}
