package api

// Count is a number of wire packets and their Ethernet bytes (no preamble, no FCS).
type Count struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Stats are the counters of one direction since the start of the daemon. They balance at
// any moment: Offered + Copied = Relayed + Held + the sum of Dropped. Neighbour, Overruns
// and NoMemory are not among these.
type Stats struct {
	Offered Count            `json:"offered"` // what the device got, on either path
	Relayed Count            `json:"relayed"` // what the device passed on
	Held    Count            `json:"held"`    // what waits now, because the policy says so
	Dropped map[string]Count `json:"dropped"` // by reason, one of the Drop… constants; every reason is always present
	// Stages counts what the policies dropped, by the name of the stage. Every stage that
	// the daemon has is present. The sum is Dropped[DropPolicy].
	Stages map[string]Count `json:"stages"`
	// Copied, Damaged and Reordered count what the stages duplicate, corrupt and reorder have
	// done: copies beside the packets themselves, packets and copies with flipped bits, and
	// packets and copies that others were let pass.
	Copied    Count `json:"copied"`
	Damaged   Count `json:"damaged"`
	Reordered Count `json:"reordered"`
	// Marked counts packets with a congestion mark of the device, by the name of the stage
	// that would have dropped them, or of the queue. Stages that have marked none are absent.
	Marked map[string]Count `json:"marked"`
	// NoMemory counts packets that were lost because too much waited already. No policy asked
	// for these losses, and they do not count as offered.
	NoMemory uint64 `json:"noMemory"`
	// Neighbour counts the messages of ARP, neighbour discovery, IGMP and MLD that were
	// relayed without number and verdict. Those that could not be relayed are in Offered and
	// Dropped. It stays 0 while Info.JudgeNeighbours is set.
	Neighbour Count `json:"neighbour"`
	// Overruns counts frames that the kernel lost before they reached the relay, because a
	// queue was full or because the kernel could not pass them on. It counts buffers and
	// not packets, because the kernel does. No policy asked for these losses.
	Overruns uint64 `json:"overruns"`
}

// Did is what the present policy has done, since it was set, to packets that it has not lost.
type Did struct {
	Delay Delays `json:"delay"`
	Rate  uint64 `json:"rate"` // bits relayed in the last whole second, by the relay

	// These are the packets of Stats.Copied, Damaged and Reordered since the policy was set.
	Copied    uint64 `json:"copied"`
	Damaged   uint64 `json:"damaged"`
	Reordered uint64 `json:"reordered"`
}

// Delays are the delays that the policy has drawn, in nanoseconds. What packets wait beyond
// that, for a link or for each other, is no part.
type Delays struct {
	Packets uint64 `json:"packets"`
	Mean    uint64 `json:"mean"`
	Spread  uint64 `json:"spread"` // standard deviation
}

// Late is how much later than they were to packets have left that were held, in nanoseconds,
// since the policy was set. The device never lets one leave too early.
type Late struct {
	Packets uint64 `json:"packets"`
	Sum     uint64 `json:"sum"` // over all packets
	P50     uint64 `json:"p50"` // half of them were not later than this, to an eighth
	P99     uint64 `json:"p99"`
	Worst   uint64 `json:"worst"`
}
