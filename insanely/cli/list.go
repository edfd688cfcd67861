package cli

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// list prints the devices of this host. A daemon that does not run any more is shown, and
// is not an error.
func (p *program) list(c *cli.Context) error {
	if err := refuse(c, append([]string{"wait", "name"}, changeFlags...)...); err != nil {
		return err
	}
	dir, err := p.socketDir(c)
	if err != nil {
		return err
	}
	entries, err := insanely.List(dir)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(listed(entries))
	}
	return p.print(listText(entries))
}

// listEntry is one device in the output of list --json. It has either Info or Error.
type listEntry struct {
	Name   string     `json:"name"`
	Socket string     `json:"socket"`
	Info   *api.Info  `json:"info,omitempty"`
	Error  *api.Error `json:"error,omitempty"`
}

func listed(entries []insanely.Entry) []listEntry {
	all := make([]listEntry, 0, len(entries)) // [] and not null if there are none
	for _, entry := range entries {
		one := listEntry{Name: api.ShowName(entry.Name), Socket: api.ShowText(entry.Socket), Info: entry.Info}
		if entry.Err != nil {
			said, _ := fault(entry.Err)
			one.Error = &said
		}
		all = append(all, one)
	}
	return all
}

func listText(entries []insanely.Entry) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSLAVE\tSTATE\tTX\tRX")
	for _, entry := range entries {
		if info := entry.Info; info != nil {
			slave := info.Slave
			if slave == "" {
				slave = "-"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", api.ShowName(entry.Name), slave, info.SlaveState, info.TX.Policy, info.RX.Policy)
		} else {
			fmt.Fprintf(table, "%s\t-\t%s\t-\t-\n", api.ShowName(entry.Name), trouble(entry.Err))
		}
	}
	table.Flush() // into memory, so it cannot fail
	return text.String()
}

// trouble returns a short text for an error, for a table.
func trouble(err error) string {
	switch {
	case errors.Is(err, insanely.ErrNoDaemon):
		return "daemon gone"
	case errors.Is(err, insanely.ErrPermission):
		return "not permitted"
	default:
		return "no answer"
	}
}
