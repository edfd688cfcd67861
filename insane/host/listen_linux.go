package host

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// Listens reports whether a packet socket gets what the link of an index sends:
// tcpdump, for one. It asks in the namespace of the calling thread.
func Listens(index int) (bool, error) {
	list, err := readAll("/proc/thread-self/net/packet")
	if err != nil {
		return false, fmt.Errorf("list packet sockets: %w", err)
	}
	// net/packet/af_packet.c, packet_seq_show: sk, references, type, protocol,
	// interface (0: all), running, …
	want := strconv.Itoa(index)
	for line := range bytes.Lines(list) {
		// Only sockets for every protocol get what is sent (net/core/dev.c,
		// dev_queue_xmit_nit).
		f := bytes.Fields(line)
		if len(f) > 5 && string(f[3]) == "0003" && (string(f[4]) == want || string(f[4]) == "0") && string(f[5]) == "1" {
			return true, nil
		}
	}
	return false, nil
}

// readAll reads a file of the kernel's. It is os.ReadFile without the runtime's
// poller, to which such files mean nothing: for what is done many times a minute.
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
