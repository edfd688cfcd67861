package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// record is what is kept of the device of one attachment, in a file of a directory that only
// root can enter. It goes with the attachment, or when the node starts again.
type record struct {
	Container string `json:"container"`
	Link      string `json:"link"`            // the interface behind the device
	Network   string `json:"network"`         // the list of plugins
	Socket    string `json:"socket"`          // the control socket
	Process   int    `json:"process"`         // the daemon; 0: it has not come up
	Failure   string `json:"error,omitempty"` // why it has not

	Namespace string   `json:"namespace,omitempty"` // of the pod, as Kubernetes names it
	Pod       string   `json:"pod,omitempty"`
	UID       string   `json:"uid,omitempty"` // of the pod; "": the runtime does not tell
	Otherwise policies `json:"otherwise"`     // what the pod has when its annotations are removed

	base string // path of all files, without what follows the name
}

// recordDir is where the records and logs of a directory of sockets are.
func recordDir(directory string) string { return filepath.Join(directory, "cni") }

// newRecord returns a record that is not written yet, and makes its directory.
func newRecord(directory string, r record) (*record, error) {
	// The daemon wants a directory of sockets that everybody may enter.
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(recordDir(directory), 0o700); err != nil {
		return nil, err
	}
	r.base = filepath.Join(recordDir(directory), attachment(r.Container, r.Link))
	return &r, nil
}

// records reads all records below a directory of sockets. Files that make no sense are left out.
func records(directory string) ([]*record, error) {
	paths, err := filepath.Glob(filepath.Join(recordDir(directory), "*.json"))
	if err != nil {
		return nil, err
	}
	var list []*record
	for _, path := range paths {
		r := &record{base: strings.TrimSuffix(path, ".json")}
		text, err := os.ReadFile(path)
		if err == nil && json.Unmarshal(text, r) == nil {
			list = append(list, r)
		}
	}
	return list, nil
}

// findRecord returns the record of an attachment; nil: there is none.
func findRecord(directory, container, link string) (*record, error) {
	list, err := records(directory)
	for _, r := range list {
		if r.Container == container && r.Link == link {
			return r, nil
		}
	}
	return nil, err
}

// write writes the record. A reader sees the whole or nothing.
func (r *record) write() error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	temporary := r.base + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, r.base+".json")
}

// log opens the log of the daemon. The process that has it locked, or has it from one that has,
// is the daemon.
func (r *record) log() (*os.File, error) {
	return os.OpenFile(r.base+".log", os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
}

// lock locks the log of a daemon that has ended. It reports false if the daemon runs.
func lock(log *os.File) (ended bool, err error) {
	for {
		err := syscall.Flock(int(log.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, fmt.Errorf("lock %s: %w", log.Name(), err)
		}
	}
}

// lockIn waits until the daemon has ended, or until so much time has passed.
func lockIn(log *os.File, patience time.Duration) (ended bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for syscall.Flock(int(log.Fd()), syscall.LOCK_EX) == syscall.EINTR {
		}
	}()
	select {
	case <-done:
		return true
	case <-time.After(patience):
		return false
	}
}

// runs reports whether the daemon runs.
func (r *record) runs() (bool, error) {
	log, err := os.OpenFile(r.base+".log", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer log.Close()
	ended, err := lock(log)
	return !ended, err
}

// remove removes all files of an attachment whose daemon has ended.
func (r *record) remove() error {
	var errs []error
	for _, path := range []string{r.Socket, r.base + ".log", r.appliedPath(), r.base + ".json", r.base + ".new"} {
		if err := os.Remove(path); path != "" && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
