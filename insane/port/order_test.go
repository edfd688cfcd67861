package port

import (
	"encoding/binary"
	"testing"
)

// A protocol in network order has the same bytes in memory on hosts of either byte order.
func TestNetworkOrder(t *testing.T) {
	for _, host := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		var memory [2]byte
		host.PutUint16(memory[:], networkOrder(0x0306, host))
		if memory != [2]byte{0x03, 0x06} {
			t.Errorf("%v: % x, want 03 06", host, memory)
		}
	}
}
