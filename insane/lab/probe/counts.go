package probe

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// kernelCounts are counters of a network namespace since it was made.
type kernelCounts struct {
	rejected   int // packets with a wrong header or a wrong checksum, of IPv4 and of UDP in it
	overflowed int // datagrams that a socket had no room or no memory for
}

// readKernelCounts reads the counters of the calling thread's namespace.
func readKernelCounts() (kernelCounts, error) {
	f, err := os.Open("/proc/thread-self/net/snmp")
	if err != nil {
		return kernelCounts{}, err
	}
	defer f.Close()
	return parseKernelCounts(f)
}

// parseKernelCounts reads the form of /proc/net/snmp: a line of names, then a line of values,
// both of which begin with the name of the protocol (net/ipv4/proc.c, snmp_seq_show).
func parseKernelCounts(r io.Reader) (c kernelCounts, err error) {
	counts := make(map[string]int)
	var names []string
	for lines := bufio.NewScanner(r); lines.Scan(); {
		columns := strings.Fields(lines.Text())
		if len(names) == 0 || len(columns) != len(names) || columns[0] != names[0] {
			names = columns
			continue
		}
		for i, column := range columns[1:] {
			// One value, MaxConn of Tcp, may be negative.
			if counts[names[0]+names[i+1]], err = strconv.Atoi(column); err != nil {
				return c, fmt.Errorf("read counter %s%s: %w", names[0], names[i+1], err)
			}
		}
		names = nil
	}
	for _, name := range []string{"Ip:InHdrErrors", "Udp:InErrors", "Udp:RcvbufErrors"} {
		if _, found := counts[name]; !found {
			return c, fmt.Errorf("read counter %s: %w", name, os.ErrNotExist)
		}
	}
	// InErrors contains the other two. MemErrors is newer than Linux 5.10.
	c.overflowed = counts["Udp:RcvbufErrors"] + counts["Udp:MemErrors"]
	c.rejected = counts["Ip:InHdrErrors"] + counts["Udp:InErrors"] - c.overflowed
	return c, nil
}
