package cli

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Words with a meaning. A link may have such a name, but if a command line begins with such
// a word, the user has forgotten the slave.
var (
	directions = []string{"tx", "rx", "both"}
	modes      = modeNames() // the words that begin a policy
)

func modeNames() (names []string) {
	for _, form := range policy.Forms() {
		names = append(names, form.Name)
	}
	return names
}

// changeFlags are the flags that belong to a change. A subcommand that only shows something
// refuses them.
var changeFlags = append([]string{leaseFor}, watchedFlags...)

// watchedFlags are those of them that a subcommand refuses which watches for the time of leaseFor.
var watchedFlags = append([]string{noProtect, leaseConfirm}, deviceFlags...)

// deviceFlags are those of them that do not belong to a change of the rules.
var deviceFlags = []string{anyNetns, "receive", "seed", "judge-neighbours"}

// noProtect is the flag for a change that may fault the person's own ssh session.
const noProtect = "no-protect"

// session returns the ssh session in which the command runs; nil if there is none, or if it
// need not be protected.
func (p *program) session(c *cli.Context) *string {
	text := p.getenv(api.SessionVariable)
	if _, err := api.ParseSession(text); err != nil || c.Bool(noProtect) {
		return nil
	}
	return &text
}

// requested returns the change that the words and flags ask for; the zero Change if they
// only ask to show the device. A receive mode and --judge-neighbours are changes by
// themselves; a seed needs another change beside it.
func requested(c *cli.Context) (change api.Change, err error) {
	if words := c.Args().Slice(); len(words) > 0 {
		if change, err = parseChange(words, c.App.Commands == nil); err != nil {
			return api.Change{}, err
		}
	}
	if c.IsSet("receive") {
		mode := c.Generic("receive").(*receiveMode).String()
		change.Receive = &mode
	}
	if c.IsSet("judge-neighbours") {
		on := c.Bool("judge-neighbours")
		change.JudgeNeighbours = &on
	}
	if !c.IsSet("seed") {
		return change, readLease(c, &change.For, &change.Confirm, change == api.Change{})
	}
	if change == (api.Change{}) {
		return change, usagef("seed", "flag --seed: only with a change, as in \"insanely --seed 7 eth0 %s\"", policy.Example)
	}
	seed := c.Uint64("seed")
	change.Seed = &seed
	return change, readLease(c, &change.For, &change.Confirm, false)
}

// parseChange makes a change from the words SLAVE [DIRECTION] [POLICY…]. It does not check
// whether the link exists; the daemon does.
func parseChange(words []string, literal bool) (api.Change, error) {
	slave, rest := words[0], words[1:]
	link := api.ReadName(slave)
	if err := checkName("slave", link); err != nil {
		return api.Change{}, err
	}
	if !literal && (slices.Contains(directions, slave) || slices.Contains(modes, slave)) {
		return api.Change{}, usagef("slave", "slave %q: the slave comes first, as in"+
			" \"insanely eth0 %s\"; for a link of this name write \"--\" before it", slave, strings.Join(words, " "))
	}
	shown := api.ShowName(link) // JSON has no other bytes than those of text
	change := api.Change{Slave: &shown}
	if len(rest) == 0 {
		return change, nil
	}
	direction := "tx" // the default; the module of 2000 knew only this direction
	if slices.Contains(directions, rest[0]) {
		direction, rest = rest[0], rest[1:]
	}
	if len(rest) == 0 {
		return api.Change{}, usagef("policy", "policy \"\": is missing behind %s; want %s", direction, policy.Grammar())
	}
	asked, err := policy.Parse(strings.Join(rest, " "))
	if err != nil {
		return api.Change{}, err
	}
	text := asked.String()
	if direction != "rx" {
		change.TX = &text
	}
	if direction != "tx" {
		change.RX = &text
	}
	return change, nil
}

// socket returns the socket of the daemon. The command line takes precedence over the
// environment, and --socket over --name.
func (p *program) socket(c *cli.Context) (string, error) {
	path, _, err := p.socketFrom(c)
	return path, err
}

// socketFrom does the same, and returns the flag or variable that the path comes from.
func (p *program) socketFrom(c *cli.Context) (path, field string, err error) {
	name := api.DefaultName
	switch envSocket, envName := p.getenv("INSANE_SOCKET"), p.getenv("INSANE_NAME"); {
	case c.IsSet("socket"):
		path, field = c.String("socket"), "--socket"
	case c.IsSet("name"):
		name = c.String("name")
	case envSocket != "":
		path, field = envSocket, "INSANE_SOCKET"
	case envName != "":
		name = envName
	}
	if field == "" {
		name = api.ReadName(name)
		return api.SocketPath(name), "name", checkName("name", name)
	}
	if path == "" || path == "@" || strings.HasSuffix(path, "/") {
		err = usagef(field, "%s %q: want the path of a socket, or @NAME", field, path)
	}
	return path, field, err
}

// checkName returns an error if no link can have the name. So --name cannot lead out of the
// directory of the sockets.
func checkName(field, name string) error {
	if err := api.CheckName(name); err != nil {
		return usagef(field, "%s %q: %v", field, name, err)
	}
	return nil
}

// socketDir returns the directory of the sockets of all devices: the directory of the given
// socket, or else the default.
func (p *program) socketDir(c *cli.Context) (string, error) {
	socket, field, err := p.socketFrom(c)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(socket, "@") {
		return "", usagef(field, "%s %q: there is no directory to list", field, socket)
	}
	return filepath.Dir(socket), nil
}
