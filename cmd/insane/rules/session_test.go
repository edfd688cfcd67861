package rules

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestSessionIsPassed: a change from an ssh session that goes through the device faults all
// packets but those of the session, unless it says --no-protect.
func TestSessionIsPassed(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "ping")
	s := scene{testbed.New(t)}
	s.serve(t)
	session := s.connect(t)
	change := func(args ...string) {
		c := s.Daemon.Command(t.Context(), "insanely", args...)
		c.Env = append(c.Env, api.SessionVariable+"="+session.variable())
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("insanely %v: %v\n%s", args, err, out)
		}
	}
	for _, args := range [][]string{
		{"eth0", "both", "percent", "0"},
		{"rule", "add", "all", "any", "both", "percent", "0"},
	} {
		change("--no-protect", "eth0", "both", "pass")
		load(t, s.Bed, "")
		change(args...)
		if _, there := rulesOf(t, s.Bed)["ssh-session"]; !there {
			t.Errorf("%v: there is no rule for the session", args)
		}
		s.pings(t, 0, "10.9.0.2")
		if err := session.works(testbed.Longest); err != nil {
			t.Errorf("%v: the session is cut off: %v", args, err)
		}
	}
	load(t, s.Bed, "")
	change("--no-protect", "eth0", "both", "percent", "0")
	if err := session.works(500 * time.Millisecond); err == nil {
		t.Error("--no-protect: the session goes on")
	}
}

// TestSessionElsewhere: a session that does not come to the device gets no rule.
func TestSessionElsewhere(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	c := b.Daemon.Command(t.Context(), "insanely", "eth0", "both", "percent", "0")
	c.Env = append(c.Env, fmt.Sprintf("%s=%v 50000 %v 22", api.SessionVariable, b.Morgana.SpareIPv4, b.Borea.IPv4))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if i := labtest.Info(t, b.Daemon); i.Rules != 0 {
		t.Errorf("%d rules", i.Rules)
	}
}

// TestSessionThatStarts: a device that is started in a session which will go through it has the
// rule from the first packet on.
func TestSessionThatStarts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		client string
		args   []string
		want   int
	}{
		{"10.9.0.2", nil, 1},
		{"10.9.0.2", []string{"--no-protect"}, 0},
		{"192.0.2.7", nil, 0},
		{"192.0.2.7", []string{"--receive", "all"}, 1},
		{"UNKNOWN", nil, 0},
	} {
		l := labtest.New(t)
		args := append([]string{"--slave", "eth0", "--route", "10.9.0.2", "--policy", "percent 0", "--rx-policy", "percent 50"}, test.args...)
		env := []string{fmt.Sprintf("%s=%s 50000 10.9.0.1 22", api.SessionVariable, test.client)}
		i := testbed.StartWith(t, l, env, fmt.Sprintf("@session-%s-%d", test.client, len(test.args)), args...).Ready(t)
		info, err := i.Client.Info(context.Background())
		labtest.Must(t, err)
		if info.Rules != test.want {
			t.Errorf("%+v: %d rules", test, info.Rules)
		}
		i.Kill()
	}
}

// TestNoWayBack: a device that takes everything and may lose it says so, unless it knows of a
// session that it passes, or does nothing to any packet.
func TestNoWayBack(t *testing.T) {
	t.Parallel()
	const known, unknown = "10.9.0.2 50000 10.9.0.1 22", ""
	for name, test := range map[string]struct {
		session string
		args    []string
		want    string
	}{
		"default": {unknown, []string{"--route", "default", "--policy", "percent 50"}, "SSH_CONNECTION"},
		"asked":   {known, []string{"--route", "default", "--policy", "percent 50", "--no-protect"}, "also this ssh session"},
		"known":   {known, []string{"--route", "default", "--policy", "percent 50"}, ""},
		"way":     {unknown, []string{"--route", "10.9.0.2", "--receive", "all", "--policy", "percent 50"}, "SSH_CONNECTION"},
	} {
		l := labtest.New(t)
		env := []string{api.SessionVariable + "=" + test.session}
		i := testbed.StartWith(t, l, env, "@way-back-"+name, append([]string{"--slave", "eth0"}, test.args...)...).Ready(t)
		const says = "all traffic goes through the device, and may be lost"
		if log := i.Log.String(); strings.Contains(log, says) != (test.want != "") || !strings.Contains(log, test.want) {
			t.Errorf("%s: want %q:\n%s", name, test.want, log)
		}
		i.Kill()
	}
}

// connection is a TCP connection to morgana that answers.
type connection struct{ net.Conn }

// connect opens a connection from borea to morgana, where each byte comes back.
func (s scene) connect(t *testing.T) connection {
	t.Helper()
	var l net.Listener
	labtest.Must(t, s.Morgana.Do(func() (err error) { l, err = net.Listen("tcp", s.Morgana.IPv4.String()+":0"); return err }))
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, 1)
		for {
			if _, err := conn.Read(b); err != nil {
				return
			}
			if _, err := conn.Write(b); err != nil {
				return
			}
		}
	}()
	var conn net.Conn
	labtest.Must(t, s.Borea.Do(func() (err error) { conn, err = net.Dial("tcp", l.Addr().String()); return err }))
	t.Cleanup(func() { conn.Close() })
	return connection{conn}
}

// variable returns what sshd would say of the connection, if it were an ssh session of
// somebody on morgana.
func (c connection) variable() string {
	client, server := c.RemoteAddr().(*net.TCPAddr), c.LocalAddr().(*net.TCPAddr)
	return fmt.Sprintf("%v %d %v %d", client.IP, client.Port, server.IP, server.Port)
}

// works sends a byte and waits for it to come back.
func (c connection) works(patience time.Duration) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("?")); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}
