package observe

import (
	"testing"

	"github.com/seed-39a139a1/insane/insane/host"
)

// Filters in a block that links share may be at the interface, although their events
// name no link.
func TestSharedFiltersAffectTheInterface(t *testing.T) {
	o := &Observer{Index: 7, Slave: "eth0", On: 2}
	if got := o.Affected(host.Events{Control: []int{host.AnyLink}}); got != PartInterface {
		t.Errorf("parts %b, want %b", got, PartInterface)
	}
}
