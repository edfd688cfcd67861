// Package api is what the daemon and the client say to each other: the JSON
// objects of the control socket, the paths they travel on and the error codes.
// It is the only package that both sides import, and it does nothing: no I/O,
// no policy, no kernel.
//
// The protocol is HTTP over a Unix socket, one object a request:
//
//	GET /v1/info    Info      what the device is and does (SIOCINSANEGETINFO of the original)
//	PUT /v1/info    Change    set any of it; the answer is the Info read back (SIOCINSANESETINFO)
//	GET /v1/stats   DeviceStats  the counters alone
//	GET /metrics              the counters for Prometheus
//
// Reading is free; a change wants root, the daemon's own user or a member of
// the daemon's control group.
//
//	api.go    requests, answers and limits
//	error.go  errors, their codes and HTTP statuses
//	name.go   names that an interface can have
package api

import (
	"fmt"
	"slices"
	"strings"
)

// Paths of the requests.
const (
	PathInfo    = "/v1/info"
	PathStats   = "/v1/stats"
	PathMetrics = "/metrics"
)

// Limits both sides keep.
const (
	MaxBody = 64 << 10 // bytes of a request body, and of an answer that the client reads
)

// Default places.
const (
	DefaultName = "insane"
	SocketDir   = "/run/insane"
)

// SocketPath is where the daemon of the device called name listens unless told
// otherwise.
func SocketPath(name string) string { return SocketDir + "/" + name + ".sock" }

// Receive modes: which of the frames that arrive at the slave become the device's.
const (
	ReceiveNone = "none" // transmit only; answers of ARP and neighbour discovery are copied
	ReceiveAuto = "auto" // what is for addresses that only the device has, or from hosts routed through it
	ReceiveAll  = "all"  // everything
)

// ReceiveModes lists every mode, in the order in which they are shown.
func ReceiveModes() []string { return []string{ReceiveAuto, ReceiveNone, ReceiveAll} }

// CheckReceive says what is wanted if mode is none of the Receive… modes.
func CheckReceive(mode string) error { return oneOf(ReceiveModes(), mode) }

// Paths that packets can take: the data planes, and the wish to have the faster one
// wherever its result is exactly the other one's.
const (
	PathAuto   = "auto"
	PathRelay  = "relay"  // the user-space data plane
	PathKernel = "kernel" // the in-kernel data plane; what it cannot do, the relay does
)

// Paths lists every path that can be asked for, in the order in which they are shown.
func Paths() []string { return []string{PathAuto, PathRelay, PathKernel} }

// CheckPath says what is wanted if path is none of the Path… values.
func CheckPath(path string) error { return oneOf(Paths(), path) }

// oneOf says what is wanted if word is none of the words.
func oneOf(words []string, word string) error {
	if slices.Contains(words, word) {
		return nil
	}
	last := len(words) - 1
	return fmt.Errorf("want %s or %s", strings.Join(words[:last], ", "), words[last])
}

// Info is a device as its daemon knows it.
type Info struct {
	Name       string    `json:"name"`       // of the interface
	Slave      string    `json:"slave"`      // name of the slave, "" if none was ever given
	SlaveState string    `json:"slaveState"` // one of the Slave… states
	Carrier    bool      `json:"carrier"`    // of the interface; follows the slave's
	MTU        int       `json:"mtu"`        // bytes, of the interface; follows the slave's
	Receive    string    `json:"receive"`    // one of the Receive… modes
	Takes      Takes     `json:"takes"`      // what receive means at the moment
	Path       string    `json:"path"`       // PathKernel if each direction in use has it, else PathRelay
	PathReason string    `json:"pathReason"` // why not a faster one; "" if there is none
	Seed       uint64    `json:"seed"`       // of every draw
	TX         Direction `json:"tx"`         // host → slave
	RX         Direction `json:"rx"`         // slave → host
}

// Takes says what of that which arrives at the slave is the device's.
type Takes struct {
	To   []string `json:"to"`   // addresses that only the device has; auto only, at most MaxTakes
	From []string `json:"from"` // prefixes of hosts that are routed through it; auto only, at most MaxTakes
	More int      `json:"more"` // how many addresses and prefixes are left out above

	// Idle says why nothing is taken, and all of it stays with the slave;
	// "" if the device takes what it should.
	Idle string `json:"idle,omitempty"`
}

// MaxTakes bounds the lists of Takes, so that an answer fits into MaxBody.
const MaxTakes = 64

// States of a slave.
const (
	SlaveNone = "none" // none was given yet
	SlaveUp   = "up"   // there, up, with carrier
	SlaveDown = "down" // there, but down or without carrier
	SlaveGone = "gone" // deleted; picked up again when a link of that name returns
)

// Direction is one direction of a device: what was asked for and what was done.
type Direction struct {
	Policy   string   `json:"policy"` // canonical text, parses to the same policy
	Verdicts Verdicts `json:"verdicts"`
	Stats    Stats    `json:"stats"`

	// Path is PathKernel or PathRelay, and PathReason why not the faster of the
	// two. In the kernel path the relay still carries what the kernel cannot.
	Path       string `json:"path"`
	PathReason string `json:"pathReason"`
}

// Verdicts counts, in packets, what the present policy said since it was set,
// whatever became of the packets afterwards. Setting a policy begins again at 0.
type Verdicts struct {
	Relay uint64 `json:"relay"`
	Drop  uint64 `json:"drop"`
}

// Count is a number of wire packets and of their Ethernet bytes (no preamble, no FCS).
type Count struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Stats are the counters of one direction since the daemon started. They balance
// at any moment: Offered = Relayed + Held + the sum of Dropped.
type Stats struct {
	Offered Count            `json:"offered"` // what the device was given, on either path
	Relayed Count            `json:"relayed"` // what it passed on
	Held    Count            `json:"held"`    // what it has not decided on yet
	Dropped map[string]Count `json:"dropped"` // by reason, one of the Drop… reasons; every reason is always present
	// Stages is what the policies dropped, by the name of the stage that did. Every stage
	// that the daemon has is present. The sum is that of the reason DropPolicy.
	Stages map[string]Count `json:"stages"`
	// Overruns are frames (buffers, not packets: the kernel counts in its own
	// unit) that the kernel lost before the relay was offered them, because
	// a queue in front of it was full, or because it could not hand them over.
	// No policy asked for them.
	Overruns uint64 `json:"overruns"`
}

// DeviceStats is the answer of GET /v1/stats.
type DeviceStats struct {
	TX Stats `json:"tx"`
	RX Stats `json:"rx"`
}

// Reasons a packet is dropped for.
const (
	DropPolicy    = "policy"     // the policy said so
	DropNoSlave   = "no-slave"   // no slave was given yet
	DropSlaveGone = "slave-gone" // the slave was deleted
	DropSlaveDown = "slave-down" // the slave, or on receive the device itself, is down or has no carrier
	DropSlaveBusy = "slave-busy" // the far side's queue did not take it: the slave's, or on receive the host's; a loss no policy asked for
	DropTooBig    = "too-big"    // larger than the far side's MTU
	DropMalformed = "malformed"  // not an Ethernet frame, or a super-frame that makes no sense
	DropError     = "error"      // the kernel refused it for another reason; see the log
)

// DropReasons lists every reason, in the order in which they are shown.
func DropReasons() []string {
	return []string{
		DropPolicy, DropNoSlave, DropSlaveGone, DropSlaveDown,
		DropSlaveBusy, DropTooBig, DropMalformed, DropError,
	}
}

// Change asks for another state. A nil member stays as it is; all given
// members are checked before the first is applied.
type Change struct {
	Slave   *string `json:"slave,omitempty"`
	Receive *string `json:"receive,omitempty"` // one of the Receive… modes
	TX      *string `json:"tx,omitempty"`      // policy text
	RX      *string `json:"rx,omitempty"`      // policy text
	// Seed restarts the packet numbers of both directions at 0, so that the
	// verdicts that follow are those of a device started with this seed.
	Seed *uint64 `json:"seed,omitempty"`
}
