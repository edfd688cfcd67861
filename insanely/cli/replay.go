package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane/ledger/pcapng"
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// replay gives the packets that a file has the verdicts that they had.
func (p *program) replay(c *cli.Context) error {
	flags := slices.DeleteFunc(slices.Clone(deviceFlags), func(name string) bool { return name == anyNetns })
	if err := refuseFlags(c, flags...); err != nil {
		return err
	}
	words := c.Args().Slice()
	if len(words) == 0 || len(words) > 2 {
		return usagef("file", "replay: want the name of a file, or - for standard input, and the slave")
	}
	head := replay.Head{Name: filepath.Base(words[0]), Session: p.session(c)}
	if len(words) == 2 {
		link := api.ReadName(words[1])
		if err := checkName("slave", link); err != nil {
			return err
		}
		shown := api.ShowName(link)
		head.Slave = &shown
	}
	body, err := p.replayBody(words[0], head)
	if err != nil {
		return err
	}
	client, err := p.open(c)
	if err != nil {
		return err
	}
	defer client.Close()
	info, err := client.Replay(c.Context, namespaceOf(c), body)
	if err != nil {
		return explainNamespace(err)
	}
	if c.Bool("json") {
		return p.printJSON(info)
	}
	return p.print(deviceText(info))
}

// replayBody makes of a file what the daemon takes.
func (p *program) replayBody(name string, head replay.Head) ([]byte, error) {
	from := p.in
	if name != stdio {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from = file
	}
	reader, err := pcapng.NewReader(from)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	body, err := buildReplay(reader, head)
	if err != nil {
		return nil, usagef("file", "replay %s: %v", name, err)
	}
	if !reader.Ended() {
		fmt.Fprintf(p.err, "insanely: %s is cut off: what follows is judged by the policy\n", name)
	}
	return body, nil
}

// buildReplay reads a recording to its end.
func buildReplay(reader *pcapng.Reader, head replay.Head) ([]byte, error) {
	builder, err := replay.NewBuilder(reader.Header())
	if err != nil {
		return nil, err
	}
	for {
		entry, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if missed := reader.Missed(); missed > 0 {
				return nil, fmt.Errorf("%d entries are missing in it, as they were not written in time: which packets these were is not known", missed)
			}
			head.Setup = reader.Header().Setup
			return builder.Body(head)
		case err != nil:
			return nil, err
		}
		if err := builder.Add(entry, reader.Program(entry)); err != nil {
			return nil, err
		}
	}
}

// replayText says how far a replay has come.
func replayText(r *api.Replay) string {
	return fmt.Sprintf("%s: %d of %d recorded packets met, %d others judged by the policy", r.Name, r.Met, r.Packets, r.Others)
}
