// Package api is the protocol between the daemon and the client: the JSON objects of the
// control socket, the paths of requests and the error codes. It is the only package that
// both sides import. It does no I/O and knows neither policies nor the kernel.
//
// The protocol is HTTP over a Unix socket, with one object per request:
//
//	GET /v1/info    Info         the state of the device (the ioctl SIOCINSANEGETINFO of the module of 2000)
//	PUT /v1/info    Change       sets any of it; the answer is the Info after the change (SIOCINSANESETINFO)
//	GET /v1/stats   DeviceStats  the counters only
//	GET /metrics                 the counters for Prometheus
//	GET /v1/record               a recording of each packet, without an end: a stream of package ledger
//
//	GET  /v1/rules       RulesPage    some of the rules, with their counters
//	POST /v1/rules       RulesChange  adds, changes, deletes or replaces rules; the answer is RulesChanged
//	GET  /v1/rules/file               the rules as text
//	PUT  /v1/rules/file               text that replaces all rules; the answer is RulesChanged
//
//	PUT  /v1/replay                   a recording whose packets get their verdicts again; the answer is Info
//	POST /v1/confirm    Info         keeps what waits for a confirmation; the answer is the Info after it
//	GET  /v1/log        LogPage      the last changes
//
// Every user may read, but for recordings, which show what others send. Root, the daemon's own user
// and members of the daemon's control group may make changes, and record.
//
//	api.go      requests, answers and limits
//	stats.go    the counters of a direction
//	rules.go    requests about rules
//	replay.go   a recording that is replayed
//	error.go    errors, their codes and HTTP statuses
//	name.go     names that an interface can have
//	show.go     names as they are shown
//	seed.go     the seed of a change
//	lease.go    changes that end by themselves
//	log.go      the log of changes
//	replay.go   how far a replay has come
//	session.go  the ssh session of the person who asks
//	warning.go  what is wrong although the device works
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
	PathRecord  = "/v1/record"
)

// The parameters of a request for a recording.
const (
	RecordLost    = "lost"    // 1: only what is lost
	RecordRule    = "rule"    // only packets of this rule
	RecordSnaplen = "snaplen" // bytes of each packet at most; 0: all
)

// HeaderNamespace is a header of PUT: the network namespace that the links of the request
// are named in, in the form of Info.Namespace. If the device is in another one, the daemon
// refuses with ErrNamespace, unless it was started in that one. Without the header any namespace
// is right.
const HeaderNamespace = "Insane-Namespace"

// The limits that both sides keep.
const (
	MaxBody = 64 << 10 // bytes of a request body, and of an answer that the client reads
)

// Default places.
const (
	DefaultName = "insane"
	SocketDir   = "/run/insane"
)

// SocketPath returns the default path of the control socket of the device called name.
func SocketPath(name string) string { return SocketDir + "/" + name + ".sock" }

// Receive modes: which of the frames that arrive at the slave the device takes.
const (
	ReceiveNone = "none" // the device only transmits; it gets copies of ARP replies and neighbour discovery
	ReceiveAuto = "auto" // frames to addresses that only the device has, or from hosts routed through it
	ReceiveAll  = "all"  // every frame
)

// ReceiveModes lists every mode, in the order in which they are shown.
func ReceiveModes() []string { return []string{ReceiveAuto, ReceiveNone, ReceiveAll} }

// CheckReceive returns an error that lists the modes, if mode is not one of them.
func CheckReceive(mode string) error { return oneOf(ReceiveModes(), mode) }

// Paths that packets can take: the two data planes. PathAuto asks for the faster one
// wherever both give the same result.
const (
	PathAuto   = "auto"
	PathRelay  = "relay"  // the user-space data plane
	PathKernel = "kernel" // the in-kernel data plane; the relay handles the frames that the kernel cannot
)

// Paths lists every path that a user can ask for, in the order in which they are shown.
func Paths() []string { return []string{PathAuto, PathRelay, PathKernel} }

// CheckPath returns an error that lists the paths, if path is not one of them.
func CheckPath(path string) error { return oneOf(Paths(), path) }

// oneOf returns an error that lists the words, if word is not one of them.
func oneOf(words []string, word string) error {
	if slices.Contains(words, word) {
		return nil
	}
	last := len(words) - 1
	return fmt.Errorf("want %s or %s", strings.Join(words[:last], ", "), words[last])
}

// Info is the state of a device.
type Info struct {
	Name       string `json:"name"`       // of the device, as ShowName shows it
	Slave      string `json:"slave"`      // name of the slave, as ShowName shows it; "" if none was ever given
	SlaveState string `json:"slaveState"` // one of the Slave… states
	Carrier    bool   `json:"carrier"`    // of the interface; follows the slave's
	MTU        int    `json:"mtu"`        // bytes, of the interface; follows the slave's
	Receive    string `json:"receive"`    // one of the Receive… modes
	Takes      Takes  `json:"takes"`      // the frames that the receive mode covers at present
	Path       string `json:"path"`       // PathKernel if each direction in use has it, otherwise PathRelay
	PathReason string `json:"pathReason"` // why not a faster one; "" if there is none
	Seed       uint64 `json:"seed"`       // of all random draws

	// JudgeNeighbours says whether policies apply to ARP, neighbour discovery, IGMP and MLD.
	JudgeNeighbours bool `json:"judgeNeighbours"`

	TX Direction `json:"tx"` // host → slave
	RX Direction `json:"rx"` // slave → host

	// SeedText is Seed in decimal digits, for readers whose numbers are exact up to 2⁵³ only.
	SeedText string `json:"seedText"`

	// Warnings say what is wrong although the device works, in the order of WarningKinds.
	Warnings []Warning `json:"warnings"`

	// Namespace is the network namespace of the daemon and its slave, as
	// `readlink /proc/PID/ns/net` shows it. A daemon of an earlier version does not tell: "".
	Namespace string `json:"namespace"`

	// Outside is the network namespace in which the daemon was started with --netns. Changes
	// from there are as right as those from Namespace. "": the daemon was started in Namespace.
	Outside string `json:"outside,omitempty"`

	// Rules is how many rules there are, without the policies of the directions.
	Rules int `json:"rules"`

	// Replay is the recording that is replayed, and how far that has come; absent: there is none.
	Replay *Replay `json:"replay,omitempty"`

	// LogDropped counts lines of the daemon's log that were lost, because nobody read them
	// in time or they could not be written.
	LogDropped uint64 `json:"logDropped"`

	// Leases are the members that return by themselves to what they were, in the order of
	// Members.
	Leases []Lease `json:"leases"`
}

// Takes says which of the frames that arrive at the slave belong to the device.
type Takes struct {
	To   []string `json:"to"`   // addresses that only the device has; in mode auto only, at most MaxTakes
	From []string `json:"from"` // prefixes of hosts that are routed through it; in mode auto only, at most MaxTakes
	More int      `json:"more"` // how many addresses and prefixes are left out above

	// Idle says why the device takes no frame, so that the slave keeps every frame; "" if
	// the device takes frames as the mode says.
	Idle string `json:"idle,omitempty"`
}

// MaxTakes limits the lists of Takes, so that an answer fits into MaxBody.
const MaxTakes = 64

// States of a slave.
const (
	SlaveNone = "none" // the device has no slave yet
	SlaveUp   = "up"   // the link exists, is up and has carrier
	SlaveDown = "down" // the link exists, but is down or has no carrier
	SlaveGone = "gone" // the link was deleted; the device attaches it again when a link of that name returns
)

// Direction is one direction of a device: the policy and the counters.
type Direction struct {
	Policy   string   `json:"policy"` // canonical text; Parse makes the same policy of it
	Verdicts Verdicts `json:"verdicts"`
	Did      Did      `json:"did"`
	Late     Late     `json:"late"`
	Stats    Stats    `json:"stats"`

	// Path is PathKernel or PathRelay; PathReason says why it is not the faster one. With
	// PathKernel the relay still carries the frames that the kernel cannot.
	Path       string `json:"path"`
	PathReason string `json:"pathReason"`
}

// Verdicts counts the packets that the present policy has decided about. It does not matter
// what happened to them afterwards. Setting a policy restarts the counters at 0.
type Verdicts struct {
	Relay uint64 `json:"relay"`
	Drop  uint64 `json:"drop"`
}

// DeviceStats is the answer to GET /v1/stats.
type DeviceStats struct {
	TX Stats `json:"tx"`
	RX Stats `json:"rx"`
}

// The reasons for which a packet is dropped.
const (
	DropPolicy     = "policy"     // the policy dropped it
	DropNoSlave    = "no-slave"   // the device has no slave yet
	DropSlaveGone  = "slave-gone" // the slave was deleted
	DropSlaveDown  = "slave-down" // the slave, or on receive the device itself, is down or has no carrier
	DropSlaveBusy  = "slave-busy" // the queue of the slave, or on receive of the host, was full; no policy asked for it
	DropTooBig     = "too-big"    // larger than the far side's MTU
	DropMalformed  = "malformed"  // not an Ethernet frame, or an invalid super-frame
	DropUnreadable = "unreadable" // a super-frame whose packets the relay cannot take apart; counts as one packet
	DropError      = "error"      // the kernel refused it for another reason; the log has the error
)

// DropReasons lists every reason, in the order in which they are shown.
func DropReasons() []string {
	return []string{
		DropPolicy, DropNoSlave, DropSlaveGone, DropSlaveDown,
		DropSlaveBusy, DropTooBig, DropMalformed, DropUnreadable, DropError,
	}
}

// Change asks for a new state. A nil member does not change; the daemon checks all given
// members before it applies the first.
type Change struct {
	Slave   *string `json:"slave,omitempty"`   // name of a link, as ShowName shows it
	Receive *string `json:"receive,omitempty"` // one of the Receive… modes
	TX      *string `json:"tx,omitempty"`      // policy text
	RX      *string `json:"rx,omitempty"`      // policy text
	// Seed restarts the packet numbers of both directions at 0. The following verdicts are
	// those of a device that was started with this seed.
	Seed *uint64 `json:"seed,omitempty"`
	// SeedText is the same in digits, for programs whose numbers are exact up to 2⁵³ only. A
	// Change has one of the two, or both with one value.
	SeedText *string `json:"seedText,omitempty"`
	// JudgeNeighbours makes policies apply to ARP, neighbour discovery, IGMP and MLD as well,
	// or ends that.
	JudgeNeighbours *bool `json:"judgeNeighbours,omitempty"`
	// Session is the ssh session of the person who asks, as the variable SSH_CONNECTION tells
	// it: address and port of the client, address and port of the server. If its packets go
	// through the device and would be faulted, a rule "ssh-session" passes them.
	Session *string `json:"session,omitempty"`
	// For makes the change end by itself after a time: then each member of it returns to what
	// it was. Confirm makes it end after a time unless a request of PathConfirm comes before.
	// Both are texts that ParseLease reads.
	For     *string `json:"for,omitempty"`
	Confirm *string `json:"confirm,omitempty"`
}
