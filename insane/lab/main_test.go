package lab_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// The tests inside of the package cannot import labtest, which imports the package.
func init() { lab.NeedRoot, lab.Await = labtest.NeedRoot, labtest.Await }

func TestMain(m *testing.M) {
	labtest.Roles(lab.Roles).Main(m, func() error { return goleak.Find() })
}
