package cni

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// applied is a file beside the record, which says of each direction what the pod has asked for when that
// was last brought into force. The plugin makes it and removes it. The follower writes into it and never
// makes it, so that nothing comes back after DEL; and as its length is always the same, a reader finds
// no half of it. Whatever makes no sense in it counts as another policy.
type applied struct {
	file *os.File
	old  string
}

func (r *record) appliedPath() string { return r.base + ".applied" }

// makeApplied writes with which policies the device begins.
func (r *record) makeApplied(p policies) error {
	return os.WriteFile(r.appliedPath(), []byte(lines(p)), 0o600)
}

// openApplied reads what was brought into force last.
func (r *record) openApplied() (*applied, error) {
	file, err := os.OpenFile(r.appliedPath(), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	old := make([]byte, len(lines(policies{})))
	n, err := io.ReadFull(file, old)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		file.Close()
		return nil, fmt.Errorf("read %s: %w", file.Name(), err)
	}
	return &applied{file, string(old[:n])}, nil
}

// Close closes the file.
func (a *applied) Close() error { return a.file.Close() }

// change returns the directions whose policy is not what was brought into force last.
func (a *applied) change(p policies) (c api.Change, differs bool) {
	if line := lineOf("tx", p.TX); len(a.old) < len(line) || a.old[:len(line)] != line {
		c.TX, differs = &p.TX, true
	}
	if line := lineOf("rx", p.RX); len(a.old) < len(line) || a.old[len(a.old)-len(line):] != line {
		c.RX, differs = &p.RX, true
	}
	return c, differs
}

// write writes what is in force.
func (a *applied) write(p policies) error {
	_, err := a.file.WriteAt([]byte(lines(p)), 0)
	return err
}

func lines(p policies) string { return lineOf("tx", p.TX) + lineOf("rx", p.RX) }

// lineOf returns a line that is another one for each policy, and as long for all.
func lineOf(direction, policy string) string {
	return fmt.Sprintf("%s %x\n", direction, sha256.Sum256([]byte(policy)))
}
