package labtest

import (
	"net"
	"os"
	"strings"
	"testing"
)

// Cards reports whether labs are joined by network cards. These make packets of super-frames,
// and may fill short frames up, which a veth pair does not.
func Cards() bool { return os.Getenv("INSANE_CARDS") != "" }

// cards chooses the cable of a lab from the environment variable INSANE_CARDS. It names
// network cards that are in the namespace of the test, separated by commas. Each two of them
// are joined by a cable. Without it the cable is a veth pair. A card that another lab has is
// not in that namespace. So tests that use cards run one after the other (go test
// -parallel 1), and need as many cables as one of them has labs.
func cards(t testing.TB) (pair [2]string) {
	t.Helper()
	if !Cards() {
		return pair
	}
	names := os.Getenv("INSANE_CARDS")
	for list := strings.Split(names, ","); len(list) > 1; list = list[2:] {
		if pair = [2]string(list); here(pair[0]) && here(pair[1]) {
			return pair
		}
	}
	t.Fatalf("INSANE_CARDS=%s: no two cards of a cable are free", names)
	return pair
}

func here(card string) bool {
	_, err := net.InterfaceByName(card)
	return err == nil
}
