// Package replay gives packets of recorded flows the verdicts that they had when they were
// recorded, also when the flows come at other times and in another order.
//
// A packet is known by its flow, the connection, the direction, and how many packets of that
// connection and direction came before it. A [Flow] has no ephemeral port: that is another one at
// the next time. Several connections may be of one flow, as those of a browser to one server: the
// k-th client port that is new gets the k-th connection that was recorded of that flow. Who is the
// client, only the recording tells: the sender of the SYN, of the echo request, or of the first
// packet. So the side of the recording looks for it, and the side of the device only looks up.
//
// These identify a flow: the addresses of client and server, the protocol, the port of the
// server, EtherType and VLAN. For an ICMP echo its identifier stands for the port of the client,
// and for other ICMP the type for that of the server. Fragments but the first, and packets of
// protocols without ports, have addresses and protocol only; what is no IP, its EtherType only:
// MAC addresses are drawn anew where hosts are made for a test.
//
// A client's port stands for one connection, also if it is used again.
//
// A connection that began with a SYN is given to a SYN only, so that packets of a connection of
// before, which come late, take nobody's verdicts.
//
// The verdict is taken from the recording and not computed, because stages that look at the clock
// would say something else now. Damaged bits and the verdicts on copies are computed, from the
// program, the number and the time of the recording. What the queue of a link has lost is lost
// again, and what it had room for then is kept now, also if the queue is full. What was lost for
// other reasons than the policy is not lost again: it has the verdict that it had, or would have
// had.
//
//	replay.go  Head, and the limits
//	flow.go    what identifies a flow, and a packet
//	packet.go  one packet of a recording, in bytes
//	build.go   Builder makes a recording into what a daemon takes
//	judges.go  the programs of a recording, and what is asked of the device
//	body.go    that form: writes and reads it
//	table.go   Table looks packets up
//
// It is pure but for a mutex: two relays look up in one table.
package replay

import (
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/insane/ledger"
)

// The limits of a recording that is replayed.
const (
	MaxPackets     = 1_000_000
	MaxConnections = 100_000
	MaxPrograms    = 10_000
	MaxHead        = 4 << 20  // bytes of the head
	MaxBody        = 32 << 20 // bytes of the form for a daemon

	// MinSnaplen is how many bytes of each packet a recording needs, if its packets are cut.
	MinSnaplen = 96
)

// Head begins what a daemon takes. It is JSON.
type Head struct {
	Name    string       `json:"name"`              // of the recording, for users
	Slave   *string      `json:"slave,omitempty"`   // as in api.Change
	Session *string      `json:"session,omitempty"` // as in api.Change
	Setup   ledger.Setup `json:"setup"`             // what the device is to be asked for

	// Programs are those that have judged. ID is their place, counted from 0.
	Programs []ledger.Program `json:"programs"`
}

// MaxName is the most bytes that Head.Name may have.
const MaxName = 255

// The errors of Parse and of Builder are for users: one line, of which these are the kinds.
var (
	ErrFormat = errors.New("not a recording that can be replayed")
	ErrLimit  = errors.New("more than can be replayed")
)

// limitf returns an ErrLimit about something of which there is too much.
func limitf(what string, most int) error {
	return fmt.Errorf("%w: there are more than %d %s", ErrLimit, most, what)
}
