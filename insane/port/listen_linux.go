package port

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// Listens reports whether a packet socket gets what the link of an index sends:
// tcpdump, for one. It asks in the namespace of the calling thread.
func Listens(index int) (bool, error) {
	f, err := os.Open("/proc/thread-self/net/packet")
	if err != nil {
		return false, fmt.Errorf("list packet sockets: %w", err)
	}
	defer f.Close()
	// net/packet/af_packet.c, packet_seq_show: sk, references, type, protocol,
	// interface (0: all), running, …
	want := fmt.Sprint(index)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		field := strings.Fields(lines.Text())
		// Only sockets for every protocol get what is sent (net/core/dev.c,
		// dev_queue_xmit_nit).
		if len(field) > 5 && field[3] == "0003" && (field[4] == want || field[4] == "0") && field[5] == "1" {
			return true, nil
		}
	}
	return false, lines.Err()
}
