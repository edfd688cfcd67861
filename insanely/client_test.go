package insanely

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insanely/api"
)

func TestInfo(t *testing.T) {
	want := sampleInfo()
	client := dialFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != api.PathInfo || r.ContentLength != 0 {
			t.Errorf("request is %s %s with %d bytes", r.Method, r.URL.Path, r.ContentLength)
		}
		answerJSON(t, want)(w, r)
	})
	got, err := client.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
}

func TestStats(t *testing.T) {
	want := api.DeviceStats{TX: sampleStats(1), RX: sampleStats(2)}
	client := dialFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != api.PathStats {
			t.Errorf("request is %s %s", r.Method, r.URL.Path)
		}
		answerJSON(t, want)(w, r)
	})
	got, err := client.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// A member that is absent from a change must be absent on the wire, or the daemon would
// set it.
func TestSetSendsOnlyWhatIsGiven(t *testing.T) {
	slave, receive, policy, seed := "eth0", api.ReceiveNone, "percent 80", uint64(0)
	for _, test := range []struct {
		change api.Change
		body   string
	}{
		{api.Change{}, `{}`},
		{api.Change{Slave: &slave}, `{"slave":"eth0"}`},
		{api.Change{Receive: &receive}, `{"receive":"none"}`},
		{api.Change{TX: &policy}, `{"tx":"percent 80"}`},
		{api.Change{RX: &policy}, `{"rx":"percent 80"}`},
		{api.Change{Seed: &seed}, `{"seed":0}`},
	} {
		t.Run(test.body, func(t *testing.T) {
			client := dialFake(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != http.MethodPut || r.URL.Path != api.PathInfo || string(body) != test.body {
					t.Errorf("request is %s %s %s", r.Method, r.URL.Path, body)
				}
				if got := r.Header.Get("Content-Type"); got != "application/json" {
					t.Errorf("Content-Type is %q", got)
				}
				answerJSON(t, sampleInfo())(w, r)
			})
			got, err := client.Set(t.Context(), test.change)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sampleInfo(), got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAbstractSocket(t *testing.T) {
	socket := fmt.Sprintf("@insanely-test-%d", os.Getpid())
	_, err := dial(t, socket).Info(t.Context())
	if !errors.Is(err, ErrNoDaemon) {
		t.Errorf("before: %v, want ErrNoDaemon", err)
	}
	checkError(t, err, "nobody listens on "+socket)
	serve(t, socket, answerJSON(t, sampleInfo()))
	if _, err := dial(t, socket).Info(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNewClientConnectsWithDial(t *testing.T) {
	socket := socketIn(t)
	serve(t, socket, answerJSON(t, sampleInfo()))
	dialed := 0
	client := NewClient(func(context.Context) (net.Conn, error) {
		dialed++
		return net.Dial("unix", socket)
	})
	defer client.Close()
	for range 2 {
		if _, err := client.Info(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if dialed != 2 {
		t.Errorf("dialed %d times for 2 requests", dialed)
	}
}

// A client outlives its daemon, and finds the one that is started next.
func TestDaemonStartedAgain(t *testing.T) {
	socket := socketIn(t)
	client := dial(t, socket)
	for range 3 {
		t.Run("", func(t *testing.T) {
			serve(t, socket, answerJSON(t, sampleInfo()))
			if _, err := client.Set(t.Context(), api.Change{}); err != nil {
				t.Error(err)
			}
		})
	}
}
