package testbed

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// Counter reads a counter of a host's kernel (proc_net(5)). In snmp and netstat a counter
// is called "Group:Name", in snmp6 "Name".
func (b *Bed) Counter(t testing.TB, h *lab.Host, file, name string) uint64 {
	t.Helper()
	var text []byte
	err := h.Do(func() (err error) { text, err = os.ReadFile("/proc/thread-self/net/" + file); return err })
	if err != nil {
		t.Fatal(err)
	}
	group, column, grouped := strings.Cut(name, ":")
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case !grouped && fields[0] == name:
			return parseCounter(t, name, fields[1])
		case !grouped || fields[0] != group+":":
		case names == nil: // the first line of a group has the names, the second the values
			names = fields
		default:
			for i, value := range fields {
				if names[i] == column {
					return parseCounter(t, name, value)
				}
			}
		}
	}
	t.Fatalf("%s of %s has no %s", file, h.Name, name)
	return 0
}

func parseCounter(t testing.TB, name, value string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return n
}
