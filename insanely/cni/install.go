package cni

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/seed-39a139a1/insane/insanely/cni/pods"
)

// lookAgain is how often a list of plugins is read again: the network's own software may have
// written it anew.
const lookAgain = 10 * time.Second

// node is where the plugin is put, and how.
type node struct {
	bin, conf string // directories
	directory string // of sockets and records
	account   string // directory of the service account
	once      bool   // it does not stay to look after the list and the pods
	entry     entry
}

// byHand does what a person, or the manifest for Kubernetes, asks for.
func byHand(what string, args []string) error {
	n := node{entry: entry{Type: pluginType, Capabilities: map[string]bool{"io.kubernetes.cri.pod-annotations": true}}}
	flags := flag.NewFlagSet("insane-cni "+what, flag.ContinueOnError)
	flags.StringVar(&n.bin, "bin", "/opt/cni/bin", "`directory` of plugins")
	flags.StringVar(&n.conf, "conf", "/etc/cni/net.d", "`directory` of lists of plugins")
	flags.StringVar(&n.directory, "directory", usualDirectory, "`directory` of control sockets and records, here and for the plugin")
	flags.StringVar(&n.account, "account", pods.Account, "`directory` of the service account, to follow annotations")
	flags.BoolVar(&n.once, "once", false, "end when the plugin is there, and leave it there")
	flags.StringVar(&n.entry.Policy, "policy", "", "`policy` of pods that do not ask for one")
	flags.StringVar(&n.entry.RXPolicy, "rx-policy", "", "`policy` of what arrives at them")
	flags.StringVar(&n.entry.Memory, "memory", "", "`size` for the packets of a pod that wait (default 64MB)")
	flags.BoolVar(&n.entry.Required, "required", false, "no pod starts without the device that it asks for")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("%q: want flags and no arguments", flags.Arg(0))
	}
	if n.directory != usualDirectory {
		n.entry.Directory = n.directory
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch what {
	case "install":
		own, err := os.Executable()
		if err != nil {
			return err
		}
		return n.install(ctx, filepath.Dir(own))
	case "remove":
		return n.remove()
	}
	return fmt.Errorf("%q: want install or remove", what)
}

// install copies the programs from a directory, and until ctx ends keeps the plugin in the list and follows
// the pods of the node. Then it takes the plugin out. The programs stay: the runtime asks the plugin to end what it has begun.
func (n *node) install(ctx context.Context, from string) error {
	for _, name := range []string{"insane", pluginType} {
		if err := copyProgram(filepath.Join(from, name), filepath.Join(n.bin, name)); err != nil {
			return err
		}
	}
	if n.once {
		_, err := n.join(&n.entry)
		return err
	}
	var following sync.WaitGroup
	following.Go(func() { n.follow(ctx) })
	defer following.Wait()
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for said := ""; ; {
		if changed, err := n.join(&n.entry); changed || err != nil && err.Error() != said {
			slog.Info("list of plugins", "directory", n.conf, "joined", changed, "err", err)
			said = fmt.Sprint(err)
		}
		select {
		case <-ctx.Done():
			return n.remove()
		case <-ticker.C:
		}
	}
}

// join puts the plugin into the list that the runtime uses; nil: it takes it out.
func (n *node) join(e *entry) (changed bool, err error) {
	path, err := chain(n.conf)
	if err != nil {
		return false, err
	}
	return put(path, e)
}

func (n *node) remove() error {
	_, err := n.join(nil)
	return err
}

// copyProgram copies a program. One that runs goes on with the file that it has.
func copyProgram(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	return replace(to, source, 0o755)
}

// replace puts a file in the place of another one, or of none. Whoever opens it meanwhile finds
// either, as a whole.
func replace(path string, text io.Reader, mode os.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".insane-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(temporary, text)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}
