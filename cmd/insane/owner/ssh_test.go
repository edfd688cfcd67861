package owner

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// sshPort is the port of the tests' server.
const sshPort = "2222"

// sshServer is an sshd in borea with keys that the test has made.
type sshServer struct {
	*testbed.Bed
	dir string // of keys and configuration
}

// startSSH starts the server. It listens on every address and ends with the test.
func startSSH(t testing.TB, b *testbed.Bed) *sshServer {
	t.Helper()
	testbed.RequireProgram(t, "ssh", "ssh-keygen", "sshd")
	s := &sshServer{Bed: b, dir: t.TempDir()}
	for _, key := range []string{"host", "user"} {
		labtest.Run(t, b.Borea, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(s.dir, key))
	}
	s.write(t, "shadow", "root:*:19000:0:99999:7:::\n")
	s.write(t, "sshd_config", strings.Join([]string{
		"Port " + sshPort, "HostKey " + s.dir + "/host", "AuthorizedKeysFile " + s.dir + "/user.pub",
		"StrictModes no", "UsePAM no", "UseDNS no", "PidFile none", "PermitRootLogin yes", "PrintMotd no", "PrintLastLog no",
	}, "\n")+"\n")
	// The command has a separate mount namespace: sshd's directory in /run, if the machine has
	// none, and a root account that is not locked, are visible only there.
	const script = `set -e; [ -d /run/sshd ] || { mount -t tmpfs tmpfs /run; mkdir -m 755 /run/sshd; }
		mount --bind "$1/shadow" /etc/shadow; exec "$(command -v sshd)" -D -e -f "$1/sshd_config"`
	_, log := testbed.Background(t, b.Borea, "sh", "-c", script, "sh", s.dir)
	log.Await(t, "sshd", func(text string) bool { return strings.Count(text, "Server listening") == 2 })
	return s
}

func (s *sshServer) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// session is an ssh session from morgana to borea that runs a shell.
type session struct {
	to     netip.Addr
	stdin  io.Writer
	answer chan string // lines of output of the shell
	log    *testbed.Transcript
	told   int
}

// login opens a session between two addresses.
func (s *sshServer) login(t testing.TB, from, to netip.Addr) *session {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := s.Morgana.Command(ctx, "ssh", "-F", "none", "-T", "-p", sshPort, "-b", from.String(), "-i", s.dir+"/user",
		"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ServerAliveInterval=0",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "root@"+to.String(), "exec /bin/sh")
	stdin, writer := io.Pipe()
	reader, stdout := io.Pipe()
	n := &session{to: to, stdin: writer, answer: make(chan string, 16), log: new(testbed.Transcript)}
	c.Stdin, c.Stdout, c.Stderr = stdin, stdout, n.log
	if err := c.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			n.answer <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		stdin.Close() // so that Wait does not wait for a writer
		stdout.Close()
		_ = c.Wait()
	})
	n.say(t)
	n.hear(t)
	return n
}

// say makes the shell compute a value that is different in each session.
func (n *session) say(t testing.TB) {
	t.Helper()
	n.told++
	if _, err := fmt.Fprintf(n.stdin, "echo answer $((1000 + %d)) of %s\n", n.told, n.to); err != nil {
		t.Fatal(err)
	}
}

// hear waits for the answer to the last say.
func (n *session) hear(t testing.TB) {
	t.Helper()
	want := fmt.Sprintf("answer %d of %s", 1000+n.told, n.to)
	select {
	case got := <-n.answer:
		if got != want {
			t.Fatalf("the shell says %q, want %q", got, want)
		}
	case <-time.After(3 * testbed.Longest):
		t.Fatalf("the shell behind %s does not answer %q: %s", n.to, want, n.log)
	}
}

// converse says and hears count times.
func (n *session) converse(t testing.TB, count int) {
	t.Helper()
	for range count {
		n.say(t)
		n.hear(t)
	}
}

// silent reports whether there is no answer yet.
func (n *session) silent() bool { return len(n.answer) == 0 }

// sshDump shows the packets of ssh on a link of borea.
func sshDump(t testing.TB, b *testbed.Bed, link string, peer netip.Addr) *testbed.Transcript {
	t.Helper()
	return dumpOf(t, b, b.Borea, link, fmt.Sprintf("tcp port %s and host %s", sshPort, peer))
}

// dumpOf starts a tcpdump with a filter; it prints a line for each packet.
func dumpOf(t testing.TB, b *testbed.Bed, h *lab.Host, link, filter string) *testbed.Transcript {
	t.Helper()
	_, out := testbed.Tcpdump(t, h, link, filter)
	return out
}

// dumped returns how many packets a tcpdump has shown so far.
func dumped(out *testbed.Transcript) int { return strings.Count(out.String(), " > ") }
