package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The end waits for the device, and not for longer than its patience.
func TestEndsInTime(t *testing.T) {
	failed := errors.New("failed")
	for _, tt := range []struct {
		name string
		runs time.Duration // on its own
		ends time.Duration // after the signal
		err  error
		late bool
	}{
		{name: "by itself", runs: time.Second, err: failed},
		{name: "at once", runs: time.Hour},
		{name: "in time", runs: time.Hour, ends: endPatience - 1, err: failed},
		{name: "late", runs: time.Hour, ends: time.Hour, err: failed, late: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // stands for the signal
				defer cancel()
				began, late, start := 0, 0, time.Now()
				err := endsInTime(ctx, func(ctx context.Context) error {
					select {
					case <-time.After(tt.runs):
					case <-ctx.Done():
						time.Sleep(tt.ends)
					}
					return tt.err
				}, func() { began++ }, func() { late++ })
				if tt.late != (late == 1) || !tt.late && err != tt.err || tt.late && err != nil {
					t.Errorf("%v, late %d times", err, late)
				}
				if signalled := tt.runs > time.Minute; signalled != (began == 1) {
					t.Errorf("the end began %d times", began)
				}
				if took := time.Since(start); took > time.Minute+endPatience {
					t.Errorf("it took %v", took)
				}
				time.Sleep(2 * time.Hour) // the run that was left behind
			})
		})
	}
}

// A daemon that cannot end in time removes the file of its control socket, also if the file is
// there only after the end has begun.
func TestLeaveBeforeAndAfter(t *testing.T) {
	for _, order := range []string{"socket, end", "end, socket", "end"} {
		s, removed := &service{conf: parse(t, io.Discard)}, 0
		for _, step := range strings.Split(order, ", ") {
			if step == "end" {
				s.leave()
			} else {
				s.listening(func() error { removed++; return nil })
			}
		}
		if want := strings.Count(order, "socket"); removed != want {
			t.Errorf("%s: removed %d times, want %d", order, removed, want)
		}
	}
}

// The log line about the start of the device has every setting that can be changed later,
// in the form that a user types, in both formats.
func TestAnnounce(t *testing.T) {
	clearEnvironment(t)
	for format, want := range map[string]string{
		"text": `msg="device is there" name=insane socket=/run/insane/insane.sock slave=eth0 ` +
			`tx="time 500ms 1s" rx="percent 60" receive=all seed=7`,
		"json": `"msg":"device is there","name":"insane","socket":"/run/insane/insane.sock","slave":"eth0",` +
			`"tx":"time 500ms 1s","rx":"percent 60","receive":"all","seed":7`,
	} {
		var log bytes.Buffer
		announce(parse(t, &log, "--slave", "eth0", "--policy", "time 50 100", "--rx-policy", "percent 60%",
			"--receive", "all", "--seed", "7", "--log-format", format))
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, want) {
			t.Errorf("%s: %q, want one line with %q", format, text, want)
		}
	}
}
