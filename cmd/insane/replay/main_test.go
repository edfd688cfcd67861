package replay

import (
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m, nil) }
