package control

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// crowds are ways to connect again and again. Each makes one connection and returns its
// descriptor, and whether the connection is to stay open for a while; -1 if it failed.
var crowds = map[string]func(to unix.Sockaddr) (fd int, stays bool){
	"hold": func(to unix.Sockaddr) (int, bool) { return connectTo(to, 0), true },
	"hang up": func(to unix.Sockaddr) (int, bool) {
		fd := connectTo(to, 0)
		unix.Close(fd)
		return fd, false
	},
	"do not wait": func(to unix.Sockaddr) (int, bool) { return connectTo(to, unix.SOCK_NONBLOCK), true },
	"ask": func(to unix.Sockaddr) (int, bool) {
		fd := connectTo(to, 0)
		unix.Sendto(fd, []byte("GET /v1/info HTTP/1.1\r\nHost: insane\r\n\r\n"), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
		return fd, true
	},
}

// connectTo makes a connection and returns its descriptor; -1 if it failed.
func connectTo(to unix.Sockaddr, flags int) (fd int) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1
	}
	if err := unix.Connect(fd, to); err != nil {
		unix.Close(fd)
		return -1
	}
	return fd
}

// crowd connects as nobody, again and again, on threads of its own, until stop is called.
func crowd(t *testing.T, h *lab.Host, socket string, connect func(unix.Sockaddr) (int, bool)) (stop func()) {
	t.Helper()
	var ended atomic.Bool
	var all sync.WaitGroup
	var connected atomic.Int64
	for range 3 {
		all.Go(func() {
			err := h.Do(func() error {
				if err := nobody.become(); err != nil {
					return err
				}
				var held []int
				for !ended.Load() {
					fd, stays := connect(&unix.SockaddrUnix{Name: socket})
					if fd >= 0 {
						connected.Add(1)
					}
					if fd >= 0 && stays {
						held = append(held, fd)
					}
					if len(held) >= 300 || ended.Load() {
						for _, fd := range held {
							unix.Close(fd)
						}
						held = nil
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	return func() {
		ended.Store(true)
		all.Wait()
		if n := connected.Load(); n < 1000 {
			t.Errorf("the crowd made only %d connections", n)
		}
	}
}

// TestCrowdKeepsNobodyOut: while users without rights connect as fast as they can, every
// change by root is made, within the time that a client has.
func TestCrowdKeepsNobodyOut(t *testing.T) {
	for name, connect := range crowds {
		t.Run(name, func(t *testing.T) {
			l := labtest.New(t)
			d := labtest.StartDaemon(t, l, "--slave", "eth0")
			descriptors := testbed.OpenDescriptors(t, d.PID())
			stop := crowd(t, l.Borea, d.Socket, connect)
			var took []time.Duration
			for range 25 {
				began := time.Now()
				if _, err := d.Client.Set(t.Context(), api.Change{TX: new("percent 100")}); err != nil {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				took = append(took, time.Since(began))
			}
			stop()
			slices.Sort(took)
			t.Logf("median %v, longest %v", took[len(took)/2], took[len(took)-1])
			testbed.SameDescriptors(t, d.PID(), descriptors)
		})
	}
}

// TestReadersTakeTurns: users without rights who read as much as they can keep no change by
// root from being made.
func TestReadersTakeTurns(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0")
	for range 60 {
		conn, err := nobody.dial(l.Borea, d.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() {
			answers := bufio.NewReader(conn)
			for {
				if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: insane\r\n\r\n"); err != nil {
					return
				}
				answer, err := http.ReadResponse(answers, nil)
				if err != nil {
					return
				}
				io.Copy(io.Discard, answer.Body)
			}
		}()
	}
	for range 20 {
		if _, err := d.Client.Set(t.Context(), api.Change{TX: new("percent 100")}); err != nil {
			t.Error(err)
		}
	}
}

// TestPlacesAreShared: a user who holds all places for readers does not keep another one
// from reading.
func TestPlacesAreShared(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0")
	for range 100 {
		conn, err := nobody.dial(l.Borea, d.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	client := user{uid: 65533, gid: 65533}.client(t, l.Borea, d.Socket)
	for range 10 {
		if _, err := client.Info(t.Context()); err != nil {
			t.Errorf("another user: %v", err)
		}
	}
}

// TestFewDescriptors: where the daemon may open few files, connections of users without
// rights leave it enough of them to work, and to serve root.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	labtest.NeedRoot(t)
	l, err := lab.New(lab.Options{Insane: []string{"prlimit", "--nofile=96:96", "insane"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.9.0.3")
	testbed.AwaitCarrier(t, l, true)
	for range 100 {
		conn, err := nobody.dial(l.Borea, d.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	for _, mode := range []string{api.ReceiveAll, api.ReceiveNone, api.ReceiveAuto} {
		i, err := d.Client.Set(t.Context(), api.Change{Receive: &mode, TX: new("pass")})
		if err != nil || !i.Carrier || i.MTU == 0 {
			t.Errorf("receive %s: carrier %v, mtu %d, %v", mode, i.Carrier, i.MTU, err)
		}
	}
	if strings.Contains(d.Logs(), "too many open files") {
		t.Errorf("the daemon lacks descriptors:\n%s", d.Logs())
	}
}
