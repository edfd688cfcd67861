package api

import "slices"

// Warning says what is wrong with a device, or around it, although the device works.
type Warning struct {
	Kind    string `json:"kind"`    // one of the Warn… constants
	Message string `json:"message"` // one line for a user
}

// The kinds of warnings. Those from WarnNoGateway on say that nothing comes back to what was
// sent, or that a neighbour does not answer, and are the likeliest cause of that. There is at
// most one of them.
const (
	WarnAway    = "away"         // the interface is in another network namespace
	WarnRenamed = "renamed"      // the interface has another name than the device
	WarnQueue   = "second-queue" // another program has opened a queue of the interface
	WarnAddress = "address"      // the interface has another MAC address than the slave
	WarnStacked = "stacked"      // a VLAN or macvlan stands on the interface, and gets nothing
	WarnBypass  = "bypass"       // packets to a destination that was asked for leave past the device

	WarnNoGateway     = "no-gateway"     // a neighbour does not answer, and is in no network of the slave
	WarnNoNeighbour   = "no-neighbour"   // a neighbour does not answer ARP or neighbour discovery
	WarnReversePath   = "reverse-path"   // the slave refuses the answers: strict rp_filter
	WarnForeignSource = "foreign-source" // packets leave with an address that is not this host's
	WarnBridgePort    = "bridge-port"    // the slave is a port of a bridge, which keeps the answers
	WarnNoAnswer      = "no-answer"      // nothing comes back, and none of these is so
)

// WarningKinds lists every kind, in the order in which they are shown.
func WarningKinds() []string {
	return []string{WarnAway, WarnRenamed, WarnQueue, WarnAddress, WarnStacked, WarnBypass,
		WarnNoGateway, WarnNoNeighbour, WarnReversePath, WarnForeignSource, WarnBridgePort, WarnNoAnswer}
}

// Warns reports whether a warning of this kind is shown.
func (i Info) Warns(kind string) bool {
	return slices.ContainsFunc(i.Warnings, func(w Warning) bool { return w.Kind == kind })
}
