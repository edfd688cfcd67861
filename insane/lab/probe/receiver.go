package probe

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// receiver is the receiving end of a probe: a socket and the goroutine that reads it.
type receiver struct {
	host   Host
	conn   *net.UDPConn
	inode  string // identifies the socket in the tables of the kernel
	size   int    // of a payload, in bytes
	events atomic.Uint64
}

// receive opens the receiving socket. From then on the kernel keeps arriving packets.
func (p Probe) receive() (*receiver, error) {
	r := &receiver{host: p.To, size: p.Payload}
	err := p.To.Do(func() (err error) {
		local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Address, 0))
		if r.conn, err = net.ListenUDP("udp", local); err != nil {
			return fmt.Errorf("open receiver: %w", err)
		}
		if err := r.configure(p.Buffer); err != nil {
			r.conn.Close()
			return fmt.Errorf("configure receiver: %w", err)
		}
		return nil
	})
	return r, err
}

// configure asks for the buffer, for time stamps, and for the socket's inode.
func (r *receiver) configure(buffer int) error {
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return err
	}
	var stat unix.Stat_t
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = errors.Join(
			// SO_RCVBUFFORCE may exceed net.core.rmem_max; it needs root.
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
			unix.Fstat(int(fd), &stat),
		)
	})
	r.inode = strconv.FormatUint(stat.Ino, 10)
	return errors.Join(err, failed)
}

func (r *receiver) port() uint16 {
	return r.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// run records every arrival in result until stop, and then the packets that the kernel
// dropped.
func (r *receiver) run(result *Result) error {
	data := make([]byte, r.size+1)
	control := make([]byte, 128)
	for {
		n, nc, _, _, err := r.conn.ReadMsgUDPAddrPort(data, control)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		read := time.Since(result.Start)
		r.events.Add(1)
		if n != r.size {
			result.Strays++
			continue
		}
		result.addArrival(binary.BigEndian.Uint64(data), stamp(control[:nc]).Sub(result.Start), read)
	}
	_, drops, err := r.kernelQueue()
	result.Overflowed = drops
	return err
}

// stop ends run.
func (r *receiver) stop() { _ = r.conn.SetReadDeadline(time.Unix(1, 0)) }

// settle waits until no packet has arrived for the duration quiet, and none waits in the
// socket.
func (r *receiver) settle(ctx context.Context, quiet time.Duration) error {
	const most = 40 // multiple of quiet; after that, somebody else is sending, or the reader has ended
	for range most {
		before := r.events.Load()
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the receiver to settle: %w", ctx.Err())
		case <-time.After(quiet):
		}
		waiting, _, err := r.kernelQueue()
		if err != nil {
			return err
		}
		if waiting == 0 && r.events.Load() == before {
			return nil
		}
	}
	return errNotQuiet
}

// kernelQueue returns the bytes that wait in the socket, and the number of datagrams that
// the socket dropped because it was full. It reads /proc/net/udp or udp6: columns
// "tx_queue:rx_queue", "inode" and "drops" (net/ipv4/udp.c, udp4_format_sock).
func (r *receiver) kernelQueue() (waiting, drops int, err error) {
	table := "/proc/thread-self/net/udp"
	if r.conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().Is6() {
		table = "/proc/thread-self/net/udp6"
	}
	err = r.host.Do(func() error {
		f, err := os.Open(table)
		if err != nil {
			return err
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if column := strings.Fields(lines.Text()); len(column) >= 13 && column[9] == r.inode {
				waiting, drops, err = parseQueue(column)
				return err
			}
		}
		return fmt.Errorf("find socket %s in %s: %w", r.inode, table, os.ErrNotExist)
	})
	return waiting, drops, err
}

func parseQueue(column []string) (waiting, drops int, err error) {
	_, queue, _ := strings.Cut(column[4], ":")
	bytes, err := strconv.ParseUint(queue, 16, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("read receive queue: %w", err)
	}
	if drops, err = strconv.Atoi(column[12]); err != nil {
		return 0, 0, fmt.Errorf("read drops: %w", err)
	}
	return int(bytes), drops, nil
}

// stamp returns when the kernel received the datagram (socket(7), SO_TIMESTAMPNS); the
// present time if the kernel does not say.
func stamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		const size = 16 // of a struct timespec of the 64-bit kernel
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= size {
			seconds := binary.NativeEndian.Uint64(m.Data)
			nanoseconds := binary.NativeEndian.Uint64(m.Data[8:])
			return time.Unix(int64(seconds), int64(nanoseconds))
		}
	}
	return time.Now()
}
