package kern

import (
	"os"
	"strconv"
	"strings"
)

// landing finds out whether all frames that were inflight at its beginning have arrived or
// were refused. A CPU has processed those in its queue when the queue was empty once and the
// CPU has finished its softirq after that.
type landing struct {
	objects *Objects
	left    []int // CPUs whose queue has not been empty yet
	blind   bool  // the kernel does not tell how long the queues are
}

// newLanding begins a landing. It waits until each CPU has put the frames into a queue that
// it has begun to send. Only the caller of Drain may call it.
func (o *Objects) newLanding() *landing {
	l := &landing{objects: o, blind: queues() == nil}
	if l.blind {
		return l
	}
	for cpu := range o.memory.crossings {
		if o.memory.crosses(cpu) {
			l.left = append(l.left, cpu)
		}
	}
	o.barrier.wait(l.left)
	return l
}

// crosses reports whether a CPU has ever sent a frame to the interface or got one there.
func (m *memory) crosses(cpu int) bool {
	sent := uint64(0)
	for turn := range m.crossings[cpu] {
		sent += m.crossings[cpu][turn].sentPackets.Load()
	}
	return sent+m.inflights[cpu].arrived.Load() > 0
}

// done reports whether they all have arrived or were refused. It reports false for ever if
// the kernel does not tell how long its queues are. A CPU that the kernel does not list is off.
func (l *landing) done() bool {
	waiting := queues()
	if l.blind || waiting == nil {
		return false
	}
	var empty, left []int
	for _, cpu := range l.left {
		if waiting[cpu] == 0 {
			empty = append(empty, cpu)
		} else {
			left = append(left, cpu)
		}
	}
	l.left = left
	l.objects.barrier.wait(empty)
	return len(left) == 0
}

// The columns of softnet_stat (net/core/net-procfs.c, softnet_seq_show) that tell how many
// frames wait in the queue of a CPU, and its number. Linux has them since 5.10.
const (
	softnetWaiting = 11
	softnetCPU     = 12
)

// queues returns how many frames wait in the queue of each CPU that is in use; nil if the
// kernel does not tell.
func queues() map[int]uint64 {
	text, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		return nil
	}
	waiting := make(map[int]uint64)
	for line := range strings.Lines(string(text)) {
		columns := strings.Fields(line)
		if len(columns) <= softnetCPU {
			return nil
		}
		n, err := strconv.ParseUint(columns[softnetWaiting], 16, 32)
		cpu, wrong := strconv.ParseUint(columns[softnetCPU], 16, 32)
		if err != nil || wrong != nil {
			return nil
		}
		waiting[int(cpu)] = n
	}
	return waiting
}
