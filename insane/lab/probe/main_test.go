package probe_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

func TestMain(m *testing.M) {
	labtest.Roles(nil).Main(m, func() error { return goleak.Find() })
}
