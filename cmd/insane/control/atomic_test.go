package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestChangesAreWhole: eight clients change and read as fast as they can. Every change sets
// policy and seed to the same number. Every read, also the answer to a change, must show
// one change and never a mix of two.
func TestChangesAreWhole(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--policy", "percent 0", "--seed", "0", "--log-level", "error")
	stop := testbed.Flood(t, l)
	defer stop()
	const clients = 8
	each := testbed.EnvInt(t, "INSANE_CHANGES", 3_000) / clients
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			kept := keptConnection(l, d.Socket)
			defer kept.CloseIdleConnections()
			for n := range each {
				if err := oneOperation(kept, c, n); err != nil {
					t.Errorf("client %d, operation %d: %v", c, n, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// keptConnection is an HTTP client that keeps its connection, unlike the client of package
// insanely.
func keptConnection(l *lab.Lab, socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return testbed.DialFrom(ctx, l.Borea, socket)
		},
	}}
}

// oneOperation reads and changes in turn, and checks the answer.
func oneOperation(c *http.Client, client, n int) error {
	if n%2 == 0 {
		info, err := request(c, http.MethodGet, nil)
		if err != nil {
			return err
		}
		return whole(info)
	}
	seed := uint64((client*7 + n) % 100)
	info, err := request(c, http.MethodPut, &api.Change{TX: new(fmt.Sprintf("percent %d", seed)), Seed: &seed})
	if err != nil {
		return err
	}
	if info.Seed != seed {
		return fmt.Errorf("seed %d was set, the answer says %d", seed, info.Seed)
	}
	return whole(info)
}

// whole fails if no client has ever set this state.
func whole(info api.Info) error {
	if want := fmt.Sprintf("percent %d", info.Seed); info.TX.Policy != want {
		return fmt.Errorf("policy %q with seed %d", info.TX.Policy, info.Seed)
	}
	return nil
}

func request(c *http.Client, method string, change *api.Change) (info api.Info, err error) {
	var body bytes.Buffer
	if change != nil {
		if err := json.NewEncoder(&body).Encode(change); err != nil {
			return info, err
		}
	}
	req, err := http.NewRequest(method, "http://insane"+api.PathInfo, &body)
	if err != nil {
		return info, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return info, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return info, fmt.Errorf("status %s", resp.Status)
	}
	return info, json.NewDecoder(resp.Body).Decode(&info)
}
