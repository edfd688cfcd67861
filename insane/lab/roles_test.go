package lab

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/seed-39a139a1/insane/insanely/wire"
)

// fakeDaemon answers on its socket like a device that does nothing. With --fail
// it ends at once.
func fakeDaemon(args []string) error {
	flags := flag.NewFlagSet("daemon", flag.ContinueOnError)
	socket := flags.String("socket", "", "")
	fail := flags.Bool("fail", false, "")
	name := flags.String("name", wire.DefaultName, "")
	flags.String("slave", "", "")
	flags.Func("route", "", func(string) error { return nil })
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *fail {
		fmt.Println("about to fail")
		return errors.New("asked to fail")
	}
	listener, err := net.Listen("unix", *socket)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(wire.Info{Name: *name, Path: wire.PathRelay})
	}))
}

// execLab runs a command in a lab and exits with its status; "--shell" runs a shell.
func execLab(argv []string) error {
	options := Options{Insane: []string{"/proc/self/exe", "role-daemon"}}
	run := func() (int, error) { return Exec(background, options, argv) }
	if argv[0] == "--shell" {
		run = func() (int, error) { return Shell(background, options, os.Stdout) }
	}
	status, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
	return nil
}

// holdLab makes a lab with a daemon, a child and a grandchild in it, prints the
// process numbers of all of them and waits to be killed.
func holdLab([]string) error {
	l, err := New(Options{Insane: []string{"/proc/self/exe", "role-daemon"}})
	if err != nil {
		return err
	}
	d, err := l.Daemon(background)
	if err != nil {
		return err
	}
	child := l.Morgana.Command(background, "sleep", "600")
	if err := child.Start(); err != nil {
		return err
	}
	fmt.Println(d.PID(), child.Process.Pid)
	time.Sleep(10 * time.Minute)
	return nil
}
