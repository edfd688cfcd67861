package labtest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// New makes two hosts that end with the test, joined by a veth pair or, if INSANE_CARDS is
// set, by network cards. Their daemon is the command insane in PATH, which package testbed
// puts there.
func New(t testing.TB) *lab.Lab {
	t.Helper()
	return NewWith(t, "insane")
}

// NewWith makes two hosts that end with the test. Their daemon is this command.
func NewWith(t testing.TB, insane ...string) *lab.Lab {
	t.Helper()
	NeedRoot(t)
	l, err := lab.New(lab.Options{Insane: insane, Process: ProcessOf, Cards: cards(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return l
}

// StartDaemon starts the device in borea. When the test ends, the daemon is stopped; the
// test fails if it ends with an error, or if the race detector has found a race in it.
func StartDaemon(t testing.TB, l *lab.Lab, args ...string) *lab.Daemon {
	t.Helper()
	d, err := l.Daemon(context.Background(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		default:
			if err := d.Stop(); err != nil {
				t.Errorf("stop daemon: %v\n%s", err, d.Logs())
			}
		case <-exited(d):
		}
		if strings.Contains(d.Logs(), "DATA RACE") || strings.Contains(d.Logs(), "panic:") {
			t.Errorf("daemon is broken:\n%s", d.Logs())
		}
	})
	return d
}

// exited returns a channel that is closed after the daemon has ended.
func exited(d *lab.Daemon) <-chan struct{} {
	ended := make(chan struct{})
	done := make(chan struct{})
	go func() {
		d.Wait()
		close(done)
	}()
	select {
	case <-done:
		close(ended)
	case <-time.After(10 * time.Millisecond):
	}
	return ended
}
