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

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
	"golang.org/x/sys/unix"
)

// fakeDaemon answers on its socket like a device that does nothing. With --fail
// it ends at once; with --slow its first answer takes longer than the client
// waits for one.
func fakeDaemon(args []string) error {
	flags := flag.NewFlagSet("daemon", flag.ContinueOnError)
	socket := flags.String("socket", "", "")
	fail := flags.Bool("fail", false, "")
	name := flags.String("name", api.DefaultName, "")
	slow := flags.Bool("slow", false, "")
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
	if *slow {
		time.Sleep(insanely.Timeout + insanely.Timeout/4)
	}
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Info{Name: *name, Path: api.PathRelay})
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

// shareMounts runs a command in a lab while every mount of this process is
// shared, as systemd leaves them, and prints the mounts before and after.
// It must be started in a mount namespace of its own.
func shareMounts([]string) error {
	if err := forgetNamespaces(); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return err
	}
	l, err := New(Options{})
	if err != nil {
		return err
	}
	defer l.Close()
	before, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if err := l.Borea.Command(background, "true").Run(); err != nil {
		return err
	}
	after, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if string(before) != string(after) {
		return fmt.Errorf("mounts changed from\n%s\nto\n%s", before, after)
	}
	fmt.Println("unchanged")
	return nil
}
