package lab_test

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// A lab joins its hosts by the cards that it is given, and gives them back. A veth pair
// stands for the cards.
func TestCardsAreLent(t *testing.T) {
	labtest.Namespace(t)
	home, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	labtest.Must(t, err)
	defer home.Close()
	labtest.VethPair(t, home, "card0", "card1")
	for range 2 {
		l, err := lab.New(lab.Options{Cards: [2]string{"card0", "card1"}, MTU: 1400})
		labtest.Must(t, err)
		for i, h := range []*lab.Host{l.Borea, l.Morgana} {
			card := labtest.LinkOf(t, h, lab.Link)
			if list, err := h.Netlink().AddrList(card, netlink.FAMILY_V4); err != nil || len(list) != i+1 || card.Attrs().MTU != 1400 {
				t.Errorf("%s has MTU %d and %d addresses, %v", h.Name, card.Attrs().MTU, len(list), err)
			}
		}
		if _, err := home.LinkByName("card0"); err == nil {
			t.Error("the card of borea is still at home")
		}
		labtest.Run(t, l.Borea, "ping", "-c", "1", "-W", "5", l.Morgana.IPv6.String())
		labtest.Must(t, l.Close())
		for _, name := range []string{"card0", "card1"} {
			if _, err := home.LinkByName(name); err != nil {
				t.Errorf("find %s at home: %v", name, err)
			}
		}
	}
}

// A card that is missing is said, and the other one is given back.
func TestCardsThatAreMissing(t *testing.T) {
	labtest.Namespace(t)
	home, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	labtest.Must(t, err)
	defer home.Close()
	labtest.VethPair(t, home, "card0", "card1")
	for _, tt := range []struct {
		cards [2]string
		want  string
	}{
		{[2]string{"card0", "none"}, "lend none to morgana"},
		{[2]string{"card0", ""}, "two ends"},
	} {
		if _, err := lab.New(lab.Options{Cards: tt.cards}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("cards %q: %v, want %q", tt.cards, err, tt.want)
		}
		if _, err := home.LinkByName("card0"); err != nil {
			t.Errorf("cards %q: card0 is not at home: %v", tt.cards, err)
		}
	}
}
