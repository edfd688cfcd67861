package control

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely"
)

// TestRulesAreGiven: a daemon that gives up rights, for which it executes its program again,
// still has the rules that it was started with, although it cannot read them twice: from a
// pipe, and from a file that only root's override of file permissions lets it read.
func TestRulesAreGiven(t *testing.T) {
	t.Parallel()
	const rules = "dns: udp port 53 both delay 200ms\nweb: tcp port 80 tx percent 99.5\n"
	path := filepath.Join(t.TempDir(), "office.rules")
	labtest.Must(t, os.WriteFile(path, []byte(rules), 0o600))
	labtest.Must(t, os.Chown(path, 65534, 65534))
	for from, file := range map[string]string{"a pipe": "-", "a file of another user": path} {
		t.Run(from, func(t *testing.T) {
			l := labtest.New(t)
			cmd := l.Borea.Command(context.Background(), "insane", "--socket", "@insane", "--rules", file)
			var log bytes.Buffer
			cmd.Stdin, cmd.Stderr = strings.NewReader("# the office\n"+rules), &log
			labtest.Must(t, cmd.Start())
			defer func() {
				cmd.Process.Signal(syscall.SIGTERM)
				if err := cmd.Wait(); err != nil || strings.Contains(log.String(), "keeps all its capabilities") {
					t.Errorf("%v, said:\n%s", err, &log)
				}
			}()
			client := insanely.NewClient(func(ctx context.Context) (net.Conn, error) { return testbed.DialFrom(ctx, l.Borea, "@insane") })
			defer client.Close()
			ctx, cancel := context.WithTimeout(t.Context(), labtest.Patience)
			defer cancel()
			if _, err := client.Wait(ctx); err != nil {
				t.Fatalf("%v, said:\n%s", err, &log)
			}
			if got, err := client.RulesFile(ctx); err != nil || got != rules {
				t.Errorf("rules %q, %v; want %q", got, err, rules)
			}
		})
	}
}
