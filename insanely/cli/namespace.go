package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// anyNetns is the flag that allows a change from another network namespace.
const anyNetns = "any-netns"

// namespaceOf returns the network namespace that a change must be meant for; "" if any is
// right. The default socket is the same file in all namespaces, and the names of links on
// the command line would be taken for those of the device's namespace. A user who names the
// socket, or who gives the flag, knows which device it is.
func namespaceOf(c *cli.Context) string {
	if c.Bool(anyNetns) || c.IsSet("socket") {
		return ""
	}
	here, _ := os.Readlink("/proc/self/ns/net") // "" without /proc
	return here
}

// explainNamespace adds to a refusal what the user can do about it.
func explainNamespace(err error) error {
	refused, ok := errors.AsType[*api.Error](err)
	if !ok || !errors.Is(err, api.ErrNamespace) {
		return err
	}
	return api.Errorf(refused, refused.Field, "%s: run insanely there, or give --%s", refused.Message, anyNetns)
}

// namespaceText says that the device is in another network namespace than this command; ""
// if it is not, or if that is not known.
func namespaceText(info api.Info) string {
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil || info.Namespace == "" || info.Namespace == here {
		return ""
	}
	return fmt.Sprintf("%s, not this command's (%s): links and addresses are those there", info.Namespace, here)
}
