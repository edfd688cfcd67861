package kern

import (
	"errors"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// Attach makes the link of that index withhold from its own stack what the
// filter takes, until the result is closed. It acts on the namespace of the
// calling thread.
//
// Close it after the packet socket: a frame that the socket gets in between would
// be the stack's as well.
func (r *Receive) Attach(index int) (io.Closer, error) {
	// First in the chain: a frame that another program sends elsewhere would
	// else be that one's and the device's.
	l, err := link.AttachTCX(link.TCXOptions{
		Interface: index,
		Program:   r.objects.ReceiveWithhold,
		Attach:    ebpf.AttachTCXIngress,
		Anchor:    link.Head(),
	})
	if errors.Is(err, ebpf.ErrNotSupported) {
		return r.attachClsact(index)
	}
	if err != nil {
		return nil, explain("attach the receive filter", err)
	}
	return l, nil
}
