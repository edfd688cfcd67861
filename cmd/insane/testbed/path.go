package testbed

import (
	"fmt"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// EachPath runs a test on each data plane, because both must behave in the same way. The two
// runs overlap: each has a device and namespaces of its own.
func EachPath(t *testing.T, test func(t *testing.T, path string)) {
	for _, path := range []string{api.PathRelay, api.PathKernel} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			test(t, path)
		})
	}
}

// AwaitPaths waits until both directions use a path.
func AwaitPaths(t testing.TB, d *lab.Daemon, path string) {
	t.Helper()
	var i api.Info
	defer func() {
		if t.Failed() {
			t.Logf("tx %s (%s), rx %s (%s)", i.TX.Path, i.TX.PathReason, i.RX.Path, i.RX.PathReason)
		}
	}()
	labtest.Await(t, fmt.Sprintf("the path %s", path), func() bool {
		i = labtest.Info(t, d)
		return i.TX.Path == path && i.RX.Path == path
	})
}
