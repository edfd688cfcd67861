package host

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/vishvananda/netlink"
)

// ErrAway is the error of an Interface that is not in the network namespace of its Links.
var ErrAway = errors.New("the interface is not in this network namespace")

// nowhere is the index of an interface that is away. No link has it.
const nowhere = -1

// Owner holds the descriptor of the interface of a device. port.TAP implements it.
type Owner interface {
	// Where returns the present name of the interface, and whether it is in the network
	// namespace in which it was created. It may wait for the kernel's lock on network
	// configuration.
	Where() (name string, home bool, err error)

	// Intact reports whether frames have the form with which the interface was opened. It
	// may wait as Where does.
	Intact() (bool, error)
}

// self knows which link is the interface of a device. An index or a name can be another
// link's a moment later: when the interface is moved to another network namespace, or
// renamed. So self asks the owner of the descriptor.
//
// It is a netlink.Link with the index and the name as of the last look; the index is
// nowhere if the interface was away. It is safe for concurrent use.
type self struct {
	links *Links
	owner Owner
	seen  atomic.Pointer[Link]
}

// Attrs implements netlink.Link.
func (s *self) Attrs() *netlink.LinkAttrs {
	seen := s.seen.Load()
	return &netlink.LinkAttrs{Index: seen.Index, Name: seen.Name}
}

// Type implements netlink.Link.
func (s *self) Type() string { return "tuntap" }

// lookTries limits how often look starts again because the interface was renamed meanwhile.
const lookTries = 30

// look looks the interface up. The owner names it before and after the look-up: a link that
// had this name all the time is the interface. The error is ErrAway if the interface is not
// in this namespace.
func (s *self) look() (link Link, err error) {
	for range lookTries {
		name, home, err := s.owner.Where()
		if err != nil {
			return Link{}, err
		}
		if !home {
			s.seen.Store(&Link{Index: nowhere, Name: name})
			return Link{}, ErrAway
		}
		link, err = s.named(name)
		if errors.Is(err, ErrNoLink) {
			continue // renamed or moved since a moment ago
		}
		if err != nil {
			return Link{}, err
		}
		if again, home, err := s.owner.Where(); err == nil && home && again == name {
			s.seen.Store(&link)
			return link, nil
		}
	}
	return Link{}, fmt.Errorf("look up the interface: it was renamed %d times meanwhile", lookTries)
}

// named returns the link of a name. It asks for the known index first, which is what the
// kernel finds fastest.
func (s *self) named(name string) (Link, error) {
	if link, err := s.links.ByIndex(s.seen.Load().Index); err == nil && link.Name == name {
		return link, nil
	}
	return s.links.ByName(name)
}

// Look returns the interface as it is now. The error is ErrAway while the interface is in
// another network namespace. Look waits for the kernel's lock on network configuration.
func (i *Interface) Look() (Link, error) { return i.self.look() }

// Intact reports whether frames of the interface have the form with which it was opened.
// Another program that has opened it can change that. Intact waits for the kernel's lock on
// network configuration.
func (i *Interface) Intact() (bool, error) { return i.self.owner.Intact() }

// Index returns the index of the interface at the last look, and -1 if the interface was
// away. It waits for nothing.
func (i *Interface) Index() int { return i.self.seen.Load().Index }

// LookNoWait is Look without waiting for the kernel's lock on network configuration; the
// result is that of Links.ByIndexNoWait. It cannot ask for the owner, so it fails unless the
// link has the index and the name of the last look: after a rename it fails until the next
// Look. It must be called in the network namespace in which the Links were opened.
func (i *Interface) LookNoWait() (Link, error) {
	seen := i.self.seen.Load()
	link, err := i.links.ByIndexNoWait(seen.Index)
	if err == nil && link.Name != seen.Name {
		err = fmt.Errorf("look at %s: link index %d is called %s now", seen.Name, seen.Index, link.Name)
	}
	return link, err
}

// Namespace returns the network namespace of the calling thread, as
// `readlink /proc/PID/ns/net` shows it; "" without /proc.
func Namespace() string {
	text, _ := os.Readlink("/proc/thread-self/ns/net")
	return text
}
