package lease

import (
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

func TestMain(m *testing.M) { testbed.Main(m, nil) }

// insanely runs the command in borea, and returns what it prints.
func insanely(t testing.TB, l *lab.Lab, d *lab.Daemon, args ...string) string {
	t.Helper()
	return labtest.Run(t, l.Borea, "insanely", append([]string{"--socket", d.Socket}, args...)...)
}

// awaitEnd waits until a device has no lease.
func awaitEnd(t testing.TB, d *lab.Daemon) api.Info {
	t.Helper()
	var info api.Info
	labtest.Await(t, "the end of all leases", func() bool {
		info = labtest.Info(t, d)
		return len(info.Leases) == 0
	})
	return info
}

// entries returns the log of a device.
func entries(t testing.TB, d *lab.Daemon) []api.LogEntry {
	t.Helper()
	list, err := d.Client.Log(t.Context())
	labtest.Must(t, err)
	return list
}
