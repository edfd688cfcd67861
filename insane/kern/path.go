package kern

import "io"

// Path is the state of the fast path of a device, and says which data plane carries packets.
// The device decides once whether there is a fast path, before the interface is up, and with
// every look at the host which packets take it. A Path is not safe for concurrent use.
type Path struct {
	Queue  *Backlog // frames that wait in the queue of the interface; nil: the kernel does not count them
	Open   bool     // there is a fast path
	Clsact bool     // the programs are in a clsact qdisc
	None   string   // why there is no fast path
	TX, RX string   // why the relay carries everything; "": the kernel carries what it can

	closer io.Closer // the programs attached to the interface
}

// Exists reports whether there is a fast path. That does not change any more once the
// device is open.
func (p *Path) Exists() bool { return p.Open }

// Reasons returns for each direction why the relay carries everything; "" if it does not.
// Programs compare a reason with "" alone: the text is for users.
func (p *Path) Reasons() (tx, rx string) {
	if !p.Exists() {
		return p.None, p.None
	}
	return p.TX, p.RX
}

// Observe records those facts about the interface that do not depend on a decision: whether it
// is in another network namespace, and how many frames its queue holds.
func (p *Path) Observe(away bool, length int) {
	if p.Queue != nil && !away {
		p.Queue.SetLimit(length)
	}
}

// Interface is the interface of a device. *host.Interface implements it.
type Interface interface {
	Index() int
	SkipQdisc() error // removes a queueing discipline that nobody has configured
}

// Attach attaches the programs to the interface. The fast path must be closed. They stay
// attached until Close, or until the process ends. The error is ErrUnsupported on kernels
// without tcx, unless Clsact is set.
func (p *Path) Attach(iface Interface, objects *Objects) (err error) {
	if err = iface.SkipQdisc(); err == nil {
		p.closer, err = objects.AttachInterface(InterfaceOptions{Link: iface.Index(), Clsact: p.Clsact})
	}
	return err
}

// Settle tells the kernel that the missing frames of the queue are lost, if the relay has
// been idle since the last call and no frame has moved.
func (p *Path) Settle(idle bool) { p.Queue.Settle(idle) }

// Close detaches the programs from the interface.
func (p *Path) Close() (err error) {
	if p.closer != nil {
		err = p.closer.Close()
	}
	p.closer = nil
	return err
}
