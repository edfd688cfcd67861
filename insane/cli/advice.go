package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/policy"
)

// advise adds to an error of the start what the user can do about it, if that is known.
func advise(err error, socket string) error {
	forbidden := errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
	switch {
	case strings.Contains(err.Error(), "--socket"): // it has its advice
	case errors.Is(err, syscall.EROFS), forbidden && aboutSocket(err, socket): // only the socket's file is written
		return fmt.Errorf("%w; --socket PATH puts it elsewhere, --socket @NAME needs no file", err)
	case errors.Is(err, syscall.EMFILE) && !strings.Contains(err.Error(), "ulimit"):
		return fmt.Errorf("%w: raise the limit of open files (RLIMIT_NOFILE, ulimit -n)", err)
	case forbidden:
		if lacking := lackingRights(); lacking != "" {
			return fmt.Errorf("%w (making a device needs root, or CAP_NET_ADMIN, CAP_NET_RAW and, to receive, CAP_BPF; this process lacks %s)", err, lacking)
		}
	}
	return err
}

// aboutSocket reports whether an error is about the file of the control socket, or about a
// directory above it.
func aboutSocket(err error, socket string) bool {
	path, isPath := errors.AsType[*fs.PathError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	return isPath && path.Path != "" && strings.HasPrefix(socket, path.Path) || isOp && op.Op == "listen"
}

// The numbers of the capabilities that a device needs (uapi/linux/capability.h).
var deviceRights = []struct {
	name   string
	number int
}{{"CAP_NET_ADMIN", 12}, {"CAP_NET_RAW", 13}, {"CAP_BPF", 39}}

// lackingRights names the capabilities that this process does not have; "" if it has all, or
// if that is not known.
func lackingRights() string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), "\nCapEff:")
	digits, _, _ := strings.Cut(rest, "\n")
	set, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 64)
	if err != nil {
		return ""
	}
	var names []string
	for _, right := range deviceRights {
		if set&(1<<right.number) == 0 {
			names = append(names, right.name)
		}
	}
	return strings.Join(names, ", ")
}

// stray returns the error for words that belong to no flag. Most often they are the rest of a
// policy without quotes.
func stray(c *cli.Context) error {
	var words []string
	for _, word := range c.Args().Slice() {
		if strings.HasPrefix(word, "-") {
			break
		}
		words = append(words, word)
	}
	for _, flag := range []string{"policy", "rx-policy"} {
		given := c.String(flag)
		whole := strings.Join(append([]string{given}, words...), " ")
		_, errGiven := policy.Parse(given)
		_, errWhole := policy.Parse(whole)
		if c.IsSet(flag) && (errGiven != nil || errWhole == nil) {
			return usagef("%s: %q is only a part of a policy: quote all its words: --%s %q", flag, given, flag, whole)
		}
	}
	return usagef("%q: want flags and no arguments, or lab (see insane --help)", c.Args().First())
}
