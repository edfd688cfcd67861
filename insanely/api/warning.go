package api

// Warning says what is wrong with a device, or around it, although the device works.
type Warning struct {
	Kind    string `json:"kind"`    // one of the Warn… constants
	Message string `json:"message"` // one line for a user
}

// The kinds of warnings.
const (
	WarnAway    = "away"         // the interface is in another network namespace
	WarnRenamed = "renamed"      // the interface has another name than the device
	WarnQueue   = "second-queue" // another program has opened a queue of the interface
	WarnAddress = "address"      // the interface has another MAC address than the slave
	WarnStacked = "stacked"      // a VLAN or macvlan stands on the interface, and gets nothing
	WarnBypass  = "bypass"       // packets to a destination that was asked for leave past the device
)

// WarningKinds lists every kind, in the order in which they are shown.
func WarningKinds() []string {
	return []string{WarnAway, WarnRenamed, WarnQueue, WarnAddress, WarnStacked, WarnBypass}
}
