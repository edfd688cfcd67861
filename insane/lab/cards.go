package lab

import (
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cards are the two ends of a cable between network cards. They are lent to the hosts.
type cards struct {
	home   *os.File        // the network namespace that they are from
	handle *netlink.Handle // in home
	lent   []lent
}

// lent is a card that a host has. Its index does not change with its name.
type lent struct {
	host  *Host
	name  string // at home
	index int    // in the namespace of the host
}

// lend moves the two cards from the namespace of the caller into the hosts, where both are
// called Link.
func (l *Lab) lend() (err error) {
	c := &l.cards
	if c.home, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return fmt.Errorf("keep the namespace of the cards: %w", err)
	}
	if c.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	for i, h := range []*Host{l.Borea, l.Morgana} {
		if err := c.lend(l.options.Cards[i], h, l.options.MTU); err != nil {
			return fmt.Errorf("lend %s to %s: %w", l.options.Cards[i], h.Name, err)
		}
	}
	return nil
}

func (c *cards) lend(name string, h *Host, mtu int) error {
	card, err := c.handle.LinkByName(name)
	if err != nil {
		return err
	}
	if err := move(c.handle, card, h.ns); err != nil {
		return err
	}
	if card, err = h.handle.LinkByName(name); err != nil {
		return err
	}
	c.lent = append(c.lent, lent{h, name, card.Attrs().Index})
	if err := h.handle.LinkSetName(card, Link); err != nil {
		return err
	}
	return h.handle.LinkSetMTU(card, mtu)
}

// giveBack moves the cards home, where they have their names again. They keep the features
// that were set.
func (c *cards) giveBack() error {
	defer func() {
		if c.handle != nil {
			c.handle.Close()
		}
		if c.home != nil {
			c.home.Close()
		}
	}()
	for _, card := range c.lent {
		if err := card.giveBack(c.home); err != nil {
			return fmt.Errorf("give %s of %s back: %w", card.name, card.host.Name, err)
		}
	}
	return nil
}

func (c lent) giveBack(home *os.File) error {
	h := c.host.handle
	card, err := h.LinkByIndex(c.index)
	if err != nil {
		return err
	}
	if err := h.LinkSetDown(card); err != nil {
		return err
	}
	if err := h.LinkSetName(card, c.name); err != nil {
		return err
	}
	return move(h, card, home)
}

// move moves a link into another network namespace.
func move(h *netlink.Handle, link netlink.Link, to *os.File) error {
	return onFile(to, func(fd int) error { return h.LinkSetNsFd(link, fd) })
}
