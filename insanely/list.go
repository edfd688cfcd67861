package insanely

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// listTimeout limits List as a whole. List asks all daemons at the same time, so a daemon
// that hangs delays the user by at most this.
const listTimeout = time.Second

// Entry is one device of this host: a control socket and the answer of its daemon.
type Entry struct {
	Name   string    // of the device, taken from the name of the socket
	Socket string    // path
	Info   *api.Info // nil if Err is not nil
	Err    error     // ErrNoDaemon if the daemon died and left its socket
}

// List asks the daemons behind all sockets called *.sock in dir, usually api.SocketDir, and
// returns them sorted by name. If a daemon does not answer, its entry has an error. If the
// directory does not exist, the list is empty.
func List(dir string) ([]Entry, error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	var entries []Entry
	for _, file := range files {
		name, ok := strings.CutSuffix(file.Name(), ".sock")
		if ok && file.Type()&fs.ModeSocket != 0 {
			entries = append(entries, Entry{Name: name, Socket: filepath.Join(dir, file.Name())})
		}
	}
	askAll(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, nil
}

func askAll(entries []Entry) {
	ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
	defer cancel()
	var asked sync.WaitGroup
	for i := range entries {
		asked.Go(func() { entries[i].ask(ctx) })
	}
	asked.Wait()
}

func (e *Entry) ask(ctx context.Context) {
	client := Dial(e.Socket)
	defer client.Close()
	info, err := client.Info(ctx)
	if err != nil {
		e.Err = err
		return
	}
	e.Info = &info
}
