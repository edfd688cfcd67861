package crash

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestDeadSocketFile: a daemon that was killed leaves the file of its socket. Commands
// recognise that it is dead, and the next daemon replaces it.
func TestDeadSocketFile(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	socket := testbed.SocketPath(t, "insane")
	testbed.Start(t, l, socket).Ready(t).Kill()

	list := labtest.Run(t, l.Borea, "insanely", "--socket", socket, "list")
	if !strings.Contains(list, "daemon gone") {
		t.Errorf("list of a dead daemon:\n%s", list)
	}
	if code, out := labtest.Fails(t, l.Borea, "insanely", "--socket", socket); code != 3 || strings.Count(out, "\n") != 1 {
		t.Errorf("ask a dead daemon: exit code %d, %q", code, out)
	}
	i := testbed.Start(t, l, socket).Ready(t)
	if list := labtest.Run(t, l.Borea, "insanely", "--socket", socket, "list"); strings.Contains(list, "gone") {
		t.Errorf("list of a new daemon:\n%s", list)
	}
	i.Signal(syscall.SIGTERM)
	if code := i.End(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the file of the socket is still there: %v", err)
	}
}

// withholds counts the programs and filters that keep frames from the stack of a link, in both
// ways of attachment. It fails if more than so many remember there what leaves past the device,
// which the mode all does not need.
func withholds(t testing.TB, h *lab.Host, name string) (count int) {
	t.Helper()
	index := labtest.LinkOf(t, h, name).Attrs().Index
	var programs []string
	err := h.Do(func() (err error) {
		programs, _, err = testbed.Attached(index)
		return err
	})
	if err != nil {
		t.Fatalf("%s of %s: %v", name, h.Name, err)
	}
	at := func(side string) int {
		filters := labtest.Run(t, h, "tc", "filter", "show", "dev", name, side)
		return strings.Count(filters, " insane/") + strings.Count(strings.ToLower(strings.Join(programs, "\n")), side)
	}
	count = at("ingress")
	if past := at("egress"); past > count {
		t.Errorf("%s: %d programs at ingress, and %d at egress: %s", name, count, past, programs)
	}
	return count
}
