package api

// PathLog is the path of the log of changes. The parameter from says which is the first entry
// of the answer, by its number: "/v1/log?from=128".
const PathLog = "/v1/log"

// The limits of the log of changes.
const (
	MaxLog     = 1000 // entries that a daemon keeps: the last ones
	MaxLogPage = 128  // entries in one answer
)

// LogPage is the answer to GET of PathLog: some of the last changes, the oldest first.
type LogPage struct {
	// Entries are at most MaxLogPage, from the first one on that is kept and whose number is
	// not below the one asked for; none from behind the last one.
	Entries []LogEntry `json:"entries"`
	// Last is the number of the last entry that there is; 0: there is none.
	Last uint64 `json:"last"`
}

// The makers of a change.
const (
	WhoPeer   = "peer"   // somebody, over the control socket
	WhoLease  = "lease"  // the end of a lease
	WhoDaemon = "daemon" // the process of the device itself, as when it starts
)

// LogEntry is one change of a device. Changes that were refused have no entry.
type LogEntry struct {
	Number uint64 `json:"number"` // the first entry of a daemon has 1, each further one 1 more
	Time   string `json:"time"`   // RFC 3339, with milliseconds
	Who    string `json:"who"`    // one of the Who… constants
	Peer   *Peer  `json:"peer,omitempty"`
	// Confirmed says that somebody has confirmed Members, which have not changed.
	Confirmed bool         `json:"confirmed,omitempty"`
	Members   []Transition `json:"members"`           // that the change named, in the order of Members
	For       string       `json:"for,omitempty"`     // of the lease, as it was asked for
	Confirm   string       `json:"confirm,omitempty"` // the same
}

// Peer is a process that has asked for a change, as the kernel knows it: the process that has
// made the connection.
type Peer struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
	PID int32  `json:"pid"` // 0: it is in another PID namespace
	// Command is the name of the process (proc_pid_comm(5)), as ShowName shows it; "": it is
	// not known. The process gives itself this name.
	Command string `json:"command"`
}

// Transition is one member of a device before and after a change, as text. Long texts are cut
// off. From of a member that was confirmed is its value.
type Transition struct {
	Member string `json:"member"` // one of the Member… names
	From   string `json:"from"`
	To     string `json:"to"`
}
