package insanely

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// Wait takes the daemon that comes, past the socket a dead one left behind.
func TestWaitForDaemon(t *testing.T) {
	socket := socketIn(t)
	serve(t, socket, answerJSON(t, sampleInfo()))
	var tries atomic.Int32
	client := NewClient(func(ctx context.Context) (net.Conn, error) {
		switch tries.Add(1) {
		case 1:
			return nil, refusedWith(syscall.ENOENT)
		case 2:
			return nil, refusedWith(syscall.ECONNREFUSED)
		case 3: // and in the same attempt of Wait once more
			return nil, refusedWith(syscall.EAGAIN)
		default:
			return net.Dial("unix", socket)
		}
	})
	defer client.Close()
	info, err := client.Wait(t.Context())
	if err != nil || info.Name != "insane" {
		t.Errorf("info of %q, error %v", info.Name, err)
	}
	if got := tries.Load(); got != 4 {
		t.Errorf("%d tries, want 4", got)
	}
}

// A daemon whose queue is full for longer than a request may take is waited for as well.
func TestWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := NewClient(func(context.Context) (net.Conn, error) { return nil, refusedWith(syscall.EAGAIN) })
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*Timeout)
		defer cancel()
		started := time.Now()
		if _, err := client.Wait(ctx); !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("error is %v, want EAGAIN", err)
		}
		if waited := time.Since(started); waited < 2*Timeout {
			t.Errorf("waited %s", waited)
		}
	})
}

// A daemon that has made its socket and does not answer yet is waited for.
func TestWaitForSlowStart(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	var asked atomic.Int32
	serve(t, socket, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			<-r.Context().Done() // until the client gives up
			return
		}
		answerJSON(t, sampleInfo())(w, r)
	})
	if info, err := dial(t, socket).Wait(t.Context()); err != nil || info.Name != "insane" || asked.Load() != 2 {
		t.Errorf("info of %q after %d requests, error %v", info.Name, asked.Load(), err)
	}
}

// Only a missing daemon is waited for. Waiting for any other error to go away
// would hide it.
func TestWaitReturnsOtherErrors(t *testing.T) {
	for name, want := range map[string]struct {
		cause error
		is    error
	}{
		"permission": {refusedWith(syscall.EACCES), ErrPermission},
		"other":      {refusedWith(syscall.EPROTOTYPE), syscall.EPROTOTYPE},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			client := NewClient(func(context.Context) (net.Conn, error) { tries++; return nil, want.cause })
			defer client.Close()
			if _, err := client.Wait(t.Context()); !errors.Is(err, want.is) {
				t.Errorf("error is %v, want %v", err, want.is)
			}
			if tries != 1 {
				t.Errorf("%d tries, want 1", tries)
			}
		})
	}
	t.Run("refusal", func(t *testing.T) {
		client := dialFake(t, answer(500, `{"code":"internal","message":"no"}`))
		if _, err := client.Wait(t.Context()); !errors.Is(err, api.ErrInternal) {
			t.Errorf("error is %v, want ErrInternal", err)
		}
	})
}

// The error of a wait in vain says what was missing, and the pauses grow from
// 10 ms to 100 ms: 10+20+40+80, and 100 up to the end of the second.
func TestWaitInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		client := NewClient(func(context.Context) (net.Conn, error) { tries++; return nil, refusedWith(syscall.ENOENT) })
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 999*time.Millisecond)
		defer cancel()
		started := time.Now()
		_, err := client.Wait(ctx)
		if !errors.Is(err, ErrNoDaemon) {
			t.Errorf("error is %v, want ErrNoDaemon", err)
		}
		checkError(t, err, "/x.sock does not exist")
		if waited := time.Since(started); waited != 999*time.Millisecond {
			t.Errorf("waited %s", waited)
		}
		if want := 1 + 4 + 8; tries != want {
			t.Errorf("%d tries, want %d", tries, want)
		}
	})
}

// A last try that is cut short does not hide what was missing.
func TestWaitEndsDuringTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		client := NewClient(func(ctx context.Context) (net.Conn, error) {
			if tries.Add(1) > 1 {
				time.Sleep(time.Second)
			}
			return nil, refusedWith(syscall.ECONNREFUSED)
		})
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := client.Wait(ctx)
		if !errors.Is(err, ErrNoDaemon) || tries.Load() != 2 {
			t.Errorf("error is %v after %d tries, want ErrNoDaemon after 2", err, tries.Load())
		}
		time.Sleep(time.Second) // the dial that was left behind
	})
}

func refusedWith(cause error) error {
	return &net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "/x.sock", Net: "unix"}, Err: cause}
}
