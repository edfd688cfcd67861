package kern

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// programsAt returns the programs at ingress of a link, in the order in which they run.
func programsAt(t *testing.T, index int) (ids []ebpf.ProgramID) {
	t.Helper()
	found, err := link.QueryPrograms(link.QueryOptions{Target: index, Attach: ebpf.AttachTCXIngress})
	must(t, err)
	for _, p := range found.Programs {
		ids = append(ids, p.ID)
	}
	return ids
}

func idOf(t *testing.T, p *ebpf.Program) ebpf.ProgramID {
	t.Helper()
	info, err := p.Info()
	must(t, err)
	id, _ := info.ID()
	return id
}

// The program runs before the programs of others, and they stay when it is detached.
func TestAttachFirst(t *testing.T) {
	near, _ := newNamespace(t)
	index := near.Attrs().Index
	r := openObjects(t, nil)
	if !hasTCX(t) { // TestAmongForeign tests this case
		closer, err := r.AttachSlave(SlaveOptions{Link: index})
		must(t, err)
		if _, ok := closer.(*clsact); !ok {
			t.Errorf("%T on a kernel without tcx", closer)
		}
		must(t, closer.Close())
		return
	}
	var others []ebpf.ProgramID
	for range 3 {
		p := newVerdict(t, -1)
		l, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: p, Attach: ebpf.AttachTCXIngress})
		must(t, err)
		t.Cleanup(func() { l.Close() })
		others = append(others, idOf(t, p))
	}
	closer, err := r.AttachSlave(SlaveOptions{Link: index})
	must(t, err)
	if got := programsAt(t, index); len(got) != 4 || got[0] != idOf(t, r.bpf.ReceiveSteal) {
		t.Errorf("programs %v, want %v in front of %v", got, idOf(t, r.bpf.ReceiveSteal), others)
	}
	if state := tcState(t, index); len(state) > 0 {
		t.Errorf("with tcx there is a qdisc as well: %v", state)
	}
	must(t, closer.Close())
	if got := programsAt(t, index); len(got) != 3 || got[0] != others[0] {
		t.Errorf("programs %v are left, want %v", got, others)
	}
}

// The program steals until the closer that AttachSlave returned is closed, also after
// the objects are closed.
func TestDetach(t *testing.T) {
	onEach(t, func(t *testing.T, w *wire) {
		take := func(n int) (int, int) {
			w.send(n, toHost, nil, unix.ETH_P_IP, udp4(plain4, own4))
			toDevice, toStack := w.heard()
			return toDevice[n], toStack[n]
		}
		toDevice, toStack := take(1)
		w.expect("attached", toDevice, toStack, device)
		must(t, w.r.Close())
		toDevice, toStack = take(2)
		w.expect("attached, the filter closed", toDevice, toStack, device)
		must(t, w.attached.Close())
		toDevice, toStack = take(3)
		w.expect("detached", toDevice, toStack, both)
		if state := tcState(t, w.near.Attrs().Index); len(state) > 0 {
			t.Errorf("left behind: %v", state)
		}
	})
}

// Attaching to a missing link fails. A link that is removed takes the filter with it.
func TestAttachToNothing(t *testing.T) {
	for _, a := range attachments(t) {
		t.Run(a.name, func(t *testing.T) {
			near, _ := newNamespace(t)
			r := openObjects(t, nil)
			if closer, err := a.attach(r, 4711); err == nil {
				closer.Close()
				t.Error("attached to a link that does not exist")
			}
			closer, err := a.attach(r, near.Attrs().Index)
			must(t, err)
			deleteLink(t, "near")
			if err := closer.Close(); err != nil {
				t.Errorf("close after the link is gone: %v", err)
			}
		})
	}
}

// holdAttached is a daemon that attaches a filter, says so and stays.
func holdAttached(args []string) error {
	index, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	r, err := Open(args[1])
	if err != nil {
		return err
	}
	attach := func(index int) (io.Closer, error) { return r.AttachSlave(SlaveOptions{Link: index}) }
	if args[2] == "clsact" {
		attach = r.attachClsact
	}
	if _, err := attach(index); err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString("attached\n"); err != nil {
		return err
	}
	_, err = os.Stdin.Read(make([]byte, 1)) // until the test ends
	return err
}

// startHolder starts holdAttached in the namespace of the test. kill does not let
// it clean up.
func startHolder(t *testing.T, index int, device, way string) (kill func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "role-holder", strconv.Itoa(index), device, way)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	_, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "attached\n" {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	return kill
}

// A killed daemon leaves nothing that has an effect: with tcx nothing at all, with clsact
// a filter, which the next daemon of the name removes.
func TestKilled(t *testing.T) {
	for _, a := range attachments(t) {
		t.Run(a.name, func(t *testing.T) {
			near, _ := newNamespace(t)
			index := near.Attrs().Index
			kill := startHolder(t, index, "insane", a.name)
			if a.name == "tcx" {
				if got := programsAt(t, index); len(got) != 1 {
					t.Fatalf("programs %v, want one", got)
				}
				kill()
				// The kernel closes the last descriptor after the process has ended.
				await(t, "the program to go", func() bool { return len(programsAt(t, index)) == 0 })
				return
			}
			before := tcState(t, index)
			kill()
			if after := tcState(t, index); len(before) == 0 || len(after) != len(before) {
				t.Errorf("%v before and %v after the kill: the comment of the package is wrong", before, after)
			}
			r := openObjects(t, hostClaims)
			closer, err := a.attach(r, index)
			must(t, err)
			if again := tcState(t, index); len(again) != len(before) {
				t.Errorf("%v, want one filter as in %v", again, before)
			}
			must(t, closer.Close())
			if left := tcState(t, index); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// explain tells a user what is missing.
func TestExplain(t *testing.T) {
	for cause, want := range map[error]error{
		unix.EPERM: ErrRights, unix.EACCES: ErrRights,
		unix.ENOSYS: ErrUnsupported, ebpf.ErrNotSupported: ErrUnsupported,
		unix.ENOMEM: unix.ENOMEM,
	} {
		err := explain("do it", cause)
		if !errors.Is(err, want) || !errors.Is(err, cause) {
			t.Errorf("%v: %v, want %v", cause, err, want)
		}
		for _, other := range []error{ErrRights, ErrUnsupported} {
			if other != want && errors.Is(err, other) {
				t.Errorf("%v: %v is %v as well", cause, err, other)
			}
		}
	}
}

// Close detaches the program also while another process has the link.
func TestCloseDetachesAtOnce(t *testing.T) {
	near, _ := newNamespace(t)
	if !hasTCX(t) {
		t.Log("no tcx: a filter of clsact has no link")
		return
	}
	index := near.Attrs().Index
	closer, err := openObjects(t, nil).AttachSlave(SlaveOptions{Link: index})
	must(t, err)
	found, err := link.QueryPrograms(link.QueryOptions{Target: index, Attach: ebpf.AttachTCXIngress})
	must(t, err)
	id, _ := found.Programs[0].LinkID()
	copied, err := link.NewFromID(id)
	must(t, err)
	defer copied.Close()
	must(t, closer.Close())
	if left := programsAt(t, index); len(left) != 0 {
		t.Errorf("programs %v are still attached", left)
	}
}
