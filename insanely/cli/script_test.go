package cli

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// The test binary is the command: in scripts, insanely is this.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"insanely": func() { os.Exit(Main(os.Args, os.Stdout, os.Stderr, os.Getenv)) },
	})
}

// Stories of what a person types and sees. Sockets are in $DIR, and
// $INSANE_SOCKET is $DIR/insane.sock. The fake daemons live in the test's own
// process, so that they end with it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// The script's own directory may be too deep for a socket's name.
			dir, err := os.MkdirTemp("", "insanely")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(dir) })
			env.Setenv("DIR", dir)
			env.Setenv("INSANE_SOCKET", filepath.Join(dir, "insane.sock"))
			// With -race, each command would wait a second before it ends.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Values["daemons"] = map[string]*daemon{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"daemon":   daemonCommand,
			"kill9":    killCommand,
			"requests": requestsCommand,
			"exit":     exitCommand,
			"refuse":   refuseCommand,
		},
	})
}

// daemonCommand is "daemon NAME [idle|busy|garbage|silent]": starts one.
func daemonCommand(ts *testscript.TestScript, _ bool, args []string) {
	socket := filepath.Join(ts.Getenv("DIR"), args[0]+".sock")
	info, mood := idleInfo(), ""
	switch args[1] {
	case "busy":
		info = busyInfo()
	case "garbage":
		mood = "garbage"
	case "silent":
		listener, err := net.Listen("unix", socket)
		ts.Check(err)
		ts.Defer(func() { listener.Close() })
		return
	}
	info.Name = args[0]
	d, err := startDaemon(socket, mood, info)
	ts.Check(err)
	ts.Defer(d.server.Close)
	daemons(ts)[args[0]] = d
}

// killCommand is "kill9 NAME": ends a daemon, which leaves its socket.
func killCommand(ts *testscript.TestScript, _ bool, args []string) {
	d := daemons(ts)[args[0]]
	d.server.Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	d.server.Close()
}

// refuseCommand is "refuse NAME WORD CODE MESSAGE": the daemon refuses the slave or
// receive mode WORD from now on.
func refuseCommand(ts *testscript.TestScript, _ bool, args []string) {
	d := daemons(ts)[args[0]]
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refusals[args[1]] = &api.Error{Code: args[2], Field: "receive", Message: args[3]}
}

// requestsCommand is "requests NAME N": the daemon was asked exactly N times; or
// "requests NAME N or more", which waits for them.
func requestsCommand(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	d := daemons(ts)[args[0]]
	if len(args) == 2 {
		if got := int(d.requests.Load()); got != want {
			ts.Fatalf("%d requests, want %d", got, want)
		}
		return
	}
	for deadline := time.Now().Add(time.Minute); int(d.requests.Load()) < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%d requests, want %d or more", d.requests.Load(), want)
		}
	}
}

// exitCommand is "exit CODE WORD…": runs insanely with the words, checks the
// exit code, and leaves stdout and stderr for the lines that follow.
func exitCommand(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("insanely", args[1:]...)
	got := "0"
	var failed interface{ ExitCode() int }
	if errors.As(err, &failed) {
		got = strconv.Itoa(failed.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func daemons(ts *testscript.TestScript) map[string]*daemon {
	return ts.Value("daemons").(map[string]*daemon)
}
