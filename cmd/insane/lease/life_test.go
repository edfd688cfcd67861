package lease

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestDeviceEnds: a device with --for ends by itself, as after SIGTERM, and leaves nothing.
func TestDeviceEnds(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	socket := testbed.SocketPath(t, "insane")
	began := time.Now()
	i := testbed.Start(t, l, socket, "--for", "1s", "--slave", "eth0", "--policy", "percent 80")
	i.Ready(t)
	if code := i.End(t); code != 0 || time.Since(began) < time.Second {
		t.Errorf("ended with code %d after %v:\n%s", code, time.Since(began), i.Log.String())
	}
	log := i.Log.String()
	if !strings.Contains(log, "the time of the device is over") || !strings.Contains(log, "device is gone") {
		t.Errorf("the log says\n%s", log)
	}
	if code, _ := labtest.Fails(t, l.Borea, "ip", "link", "show", "insane"); code == 0 {
		t.Error("the interface is there")
	}
	if code, out := labtest.Fails(t, l.Borea, "insanely", "--socket", socket); code != 3 || !strings.Contains(out, "does not exist") {
		t.Errorf("code %d, %s", code, out)
	}
}
