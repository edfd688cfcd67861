package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane"
)

// parse reads a valid command line and opens nothing.
func parse(t *testing.T, stderr io.Writer, args ...string) (conf insane.Config) {
	t.Helper()
	app := &cli.App{Flags: daemonFlags(), Action: func(c *cli.Context) (err error) {
		conf, err = config(c, stderr)
		return err
	}}
	if err := app.Run(append([]string{"insane"}, args...)); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return conf
}

// clearEnvironment removes the variables that replace flags, for this test.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{"INSANE_NAME", "INSANE_SOCKET"} {
		t.Setenv(name, "") // so that it is restored afterwards
		os.Unsetenv(name)
	}
}

func TestConfigDefaults(t *testing.T) {
	clearEnvironment(t)
	c := parse(t, io.Discard)
	if c.Name != "insane" || c.Socket != "/run/insane/insane.sock" || c.Slave != "" || c.Group != nil ||
		c.Addresses != nil || c.Routes != nil || c.Policy.String() != "pass" || c.RXPolicy.String() != "pass" ||
		c.Receive != "auto" || c.Log == nil {
		t.Errorf("%+v", c)
	}
}

func TestConfig(t *testing.T) {
	clearEnvironment(t)
	for _, c := range []struct {
		args []string
		ok   func(insane.Config) bool
	}{
		{[]string{"--name", "bad0"}, func(c insane.Config) bool { return c.Name == "bad0" && c.Socket == "/run/insane/bad0.sock" }},
		{[]string{"--name", "fifteen-bytes-x"}, func(c insane.Config) bool { return len(c.Name) == 15 }},
		{[]string{"--socket", "@bad"}, func(c insane.Config) bool { return c.Socket == "@bad" }},
		{[]string{"--slave", "eth0"}, func(c insane.Config) bool { return c.Slave == "eth0" }},
		{[]string{"--policy", "percent 60"}, func(c insane.Config) bool { return c.Policy.String() == "percent 60" }},
		{[]string{"--policy", "time 2s 500ms"}, func(c insane.Config) bool { return c.Policy.String() == "time 2s 500ms" }},
		{[]string{"--rx-policy", "percent 60"}, func(c insane.Config) bool { return c.RXPolicy.String() == "percent 60" && c.Policy.String() == "pass" }},
		{[]string{"--policy", "percent 60"}, func(c insane.Config) bool { return c.RXPolicy.String() == "pass" }},
		{[]string{"--receive", "all"}, func(c insane.Config) bool { return c.Receive == "all" }},
		{[]string{"--receive", "none"}, func(c insane.Config) bool { return c.Receive == "none" }},
		{[]string{"--seed", "0"}, func(c insane.Config) bool { return c.Seed == 0 && !c.JudgeNeighbours }},
		{[]string{"--judge-neighbours"}, func(c insane.Config) bool { return c.JudgeNeighbours }},
		{[]string{"--seed", "0xff"}, func(c insane.Config) bool { return c.Seed == 255 }},
		{[]string{"--seed", "18446744073709551615"}, func(c insane.Config) bool { return c.Seed == 1<<64-1 }},
		{[]string{"--group", "root"}, func(c insane.Config) bool { return *c.Group == 0 }},
		{[]string{"--group", "4711"}, func(c insane.Config) bool { return *c.Group == 4711 }},
	} {
		if conf := parse(t, io.Discard, c.args...); !c.ok(conf) {
			t.Errorf("%q: %+v", c.args, conf)
		}
	}
}

// An address keeps its host part, a route does not. Without a length, either is a single
// host.
func TestConfigPrefixes(t *testing.T) {
	c := parse(t, io.Discard, "--address", "10.9.0.1", "--address", "10.8.0.1/24", "--address", "fd00:9::1/64,fd00:8::1",
		"--route", "10.9.0.2", "--route", "10.7.0.5/24", "--route", "fd00:7::5/64", "--route", "default", "--route", "::/0")
	if got, want := fmt.Sprint(c.Addresses), "[10.9.0.1/32 10.8.0.1/24 fd00:9::1/64 fd00:8::1/128]"; got != want {
		t.Errorf("addresses %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(c.Routes), "[10.9.0.2/32 10.7.0.0/24 fd00:7::/64 0.0.0.0/0 ::/0 ::/0]"; got != want {
		t.Errorf("routes %s, want %s", got, want)
	}
}

// The name of a host gives a route to each of its addresses.
func TestConfigHostName(t *testing.T) {
	list, err := routes(context.Background(), []string{"localhost"})
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, p := range list {
		if !p.IsSingleIP() || !p.Addr().IsLoopback() {
			t.Errorf("%s is no address of localhost", p)
		}
	}
	if !slices.Contains(list, netip.MustParsePrefix("127.0.0.1/32")) {
		t.Errorf("%v, want 127.0.0.1 among them", list)
	}
}

// A seed that is not given is different each time, and short enough to type.
func TestConfigDrawsSeed(t *testing.T) {
	seen := make(map[uint64]bool)
	for range 20 {
		seed := parse(t, io.Discard).Seed
		if seed >= 1<<32 {
			t.Errorf("%d has more than 32 bits", seed)
		}
		seen[seed] = true
	}
	if len(seen) < 19 { // two alike in 20: once in 20 million runs
		t.Errorf("%d different seeds of 20", len(seen))
	}
}

// The environment replaces missing flags.
func TestConfigEnvironment(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("INSANE_NAME", "bad1")
	if c := parse(t, io.Discard); c.Name != "bad1" || c.Socket != "/run/insane/bad1.sock" {
		t.Errorf("%+v, want bad1", c)
	}
	t.Setenv("INSANE_SOCKET", "")
	if c := parse(t, io.Discard); c.Socket != "/run/insane/bad1.sock" {
		t.Errorf("%+v, want the usual socket, as the variable is empty", c)
	}
	t.Setenv("INSANE_SOCKET", "@there")
	if c := parse(t, io.Discard, "--name", "bad2"); c.Name != "bad2" || c.Socket != "@there" {
		t.Errorf("%+v, want bad2 at @there", c)
	}
	t.Setenv("INSANE_NAME", "")
	if c := parse(t, io.Discard); c.Name != "insane" || c.Socket != "@there" {
		t.Errorf("%+v, want the usual name, as the variable is empty", c)
	}
}

// The log has the requested format and level.
func TestConfigLog(t *testing.T) {
	for format, want := range map[string]string{"text": "level=WARN msg=heard n=1", "json": `"level":"WARN","msg":"heard","n":1`} {
		var log bytes.Buffer
		c := parse(t, &log, "--log-level", "warn", "--log-format", format)
		c.Log.Info("not heard")
		c.Log.Warn("heard", slog.Int("n", 1))
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, want) {
			t.Errorf("%s: %q, want one line with %q", format, text, want)
		}
	}
}
