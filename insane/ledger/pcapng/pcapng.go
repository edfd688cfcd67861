// Package pcapng writes and reads ledgers as files that Wireshark, tshark and tcpdump open.
//
// A file has three interfaces, and each entry is one packet of one of them:
//
//	DEVICE:before   packets as they came: tx from the host, rx from the slave
//	DEVICE:after    packets as they left
//	DEVICE:refused  packets that were relayed by their verdict, and lost behind it
//
// Its time is that of the entry, its direction flag is outbound for tx and inbound for rx, and
// all entries of one packet have the same epb_packetid. What pcapng has no field for is in
// comments of one line:
//
//	section  insane ledger 1 device=insane real=… began=… [lost=yes] [rule=NAME] [snaplen=N]
//	packet   tx 4711 lost rule=api program=3 judged=… by=percent
//	packet   tx 4712 relay rule=api program=3 judged=… delay=20.1ms
//	packet   tx 4712 left rule=api
//	program  policy tx 3 rule=api seed=7 epoch=… first=0: percent 95 delay 20ms
//
// The first interface has a comment of several lines, with the seed, the policies and the rules
// when the recording began:
//
//	setup seed=7 [neighbours=judged] [rules=left-out]
//	tx: percent 95 delay 20ms
//	rx: pass
//	dns: udp port 53 both delay 200ms
//
// The words of a packet are its direction, its number, one of relay, lost, left and refused,
// and any of these keys: rule (none: the policy of the direction), series, copy, neighbour,
// program, judged (nanoseconds of CLOCK_MONOTONIC), by (the stage), mark (the stage), why (of
// api.DropReasons, queue or memory), copies, flips, behind, delay, marked (queue). A reader
// ignores keys that it does not know. A time of CLOCK_MONOTONIC plus real is one since 1970.
//
// The first packet of a file that names a program has the comment of the program as well, so
// each file of a ring is complete by itself. Entries that are missing in front of a packet
// are its epb_dropcount. The statistics of the interfaces end a file; one without them was
// cut off.
//
// The package writes the few blocks that it needs by itself. A library for all of pcapng has tables
// of protocols of some 40 MB, which the garbage collector counts as in use: a daemon in one program
// with the client would keep as much garbage.
//
//	pcapng.go   what both sides share
//	comment.go  the comments
//	setup.go    the comment of the first interface
//	block.go    the blocks of a file
//	writer.go   Writer
//	reader.go   Reader
package pcapng

import "github.com/seed-39a139a1/insane/insane/ledger"

// The numbers of the interfaces.
const (
	before = iota
	after
	refused
	interfaces
)

// interfaceOf returns the number of the interface of an entry.
func interfaceOf(k ledger.Kind) int {
	switch k {
	case ledger.Left:
		return after
	case ledger.Refused:
		return refused
	}
	return before
}

// names and descriptions of the interfaces. Names stand behind that of the device.
var names = [interfaces][2]string{
	{":before", "packets as they came: tx (outbound) from the host, rx (inbound) from the slave"},
	{":after", "packets as they left: tx (outbound) to the slave, rx (inbound) to the host"},
	{":refused", "packets that were lost behind their verdict: by the queue, for want of memory, or by the far side"},
}
