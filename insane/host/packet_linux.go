package host

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// Listens reports whether any packet socket gets the frames that a link sends, as tcpdump
// does. It reads /proc in the network namespace of the calling thread and does not wait
// for the kernel's lock on network configuration.
func Listens(index int) (bool, error) {
	list, err := readAll("/proc/thread-self/net/packet")
	if err != nil {
		return false, fmt.Errorf("list packet sockets: %w", err)
	}
	// The columns are sk, references, type, protocol, index of the link (0: all
	// links), running, … (net/packet/af_packet.c, packet_seq_show).
	want := strconv.Itoa(index)
	for line := range bytes.Lines(list) {
		// Only sockets for all protocols (ETH_P_ALL is 3) get the frames that
		// are sent (net/core/dev.c, dev_queue_xmit_nit).
		f := bytes.Fields(line)
		if len(f) > 5 && string(f[3]) == "0003" && (string(f[4]) == want || string(f[4]) == "0") && string(f[5]) == "1" {
			return true, nil
		}
	}
	return false, nil
}

// readAll reads a file of /proc. It is os.ReadFile without Go's poller, which cannot wait
// for such files: it saves system calls where a file is read many times a minute.
func readAll(path string) (all []byte, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return all, err
		}
		all = append(all, buf[:n]...)
	}
}
