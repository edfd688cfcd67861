package witness

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insanely/verify/packet"
)

// Place is an end of the device at which frames are seen.
type Place uint8

const (
	HostSends Place = iota
	SlaveSends
	SlaveHears
	HostHears
	Places // how many there are
)

// Sight is a frame that was seen. Its bytes are valid until See returns.
type Sight struct {
	Place Place
	At    int64 // nanoseconds of CLOCK_MONOTONIC, at which the kernel saw it
	packet.Frame
}

// Options say what to watch.
type Options struct {
	Interface string // of the device
	Slave     string

	// See is called for every frame: for those of one place by one goroutine, for those of
	// different places perhaps by several at once.
	See func(Sight)
}

// Witness watches until it is closed. Its methods may be called from any goroutine.
type Witness struct {
	SeesRelay bool // there is no tcx: of what the host sends, only what the relay carries is seen

	sources []source
	ended   atomic.Bool
	running sync.WaitGroup
	close   sync.Once
}

// source is something that sees frames.
type source interface {
	// read sees frames until ended is true and none is left.
	read(ended *atomic.Bool)
	// stop lets no further frames come in.
	stop()
	lost() uint64 // frames that it could not take in time, or not read
	close()
}

// tick is how often a source looks whether it is to end.
const tick = 50 * time.Millisecond

// Open begins to watch a device in the network namespace of the calling thread. The error is
// ErrRights if the process may not.
func Open(o Options) (*Witness, error) {
	w := &Witness{}
	if err := w.open(o); err != nil {
		for _, s := range w.sources {
			s.close()
		}
		return nil, err
	}
	for _, s := range w.sources {
		w.running.Go(func() { s.read(&w.ended) })
	}
	return w, nil
}

func (w *Witness) open(o Options) error {
	slave, err := net.InterfaceByName(o.Slave)
	if err != nil {
		return fmt.Errorf("find slave %s: %w", o.Slave, err)
	}
	device, err := net.InterfaceByName(o.Interface)
	if err != nil {
		return fmt.Errorf("find interface %s: %w", o.Interface, err)
	}
	behind, err := openSocket(slave.Index, SlaveHears, SlaveSends, o.See)
	if err != nil {
		return err
	}
	w.sources = append(w.sources, behind)
	programs, err := openPrograms(device.Index, o.See)
	if errors.Is(err, ebpf.ErrNotSupported) {
		w.SeesRelay = true
		front, err := openSocket(device.Index, HostHears, HostSends, o.See)
		if err != nil {
			return err
		}
		w.sources = append(w.sources, front)
		return nil
	}
	if err != nil {
		return err
	}
	w.sources = append(w.sources, programs)
	return nil
}

// Lost returns how many frames the witness has missed. What it says is of no use then.
func (w *Witness) Lost() (lost uint64) {
	for _, s := range w.sources {
		lost += s.lost()
	}
	return lost
}

// Stop waits until everything seen so far was given to See, and ends.
func (w *Witness) Stop() {
	w.close.Do(func() {
		for _, s := range w.sources {
			s.stop()
		}
		w.ended.Store(true)
		w.running.Wait()
		for _, s := range w.sources {
			s.close()
		}
	})
}

// Now reads the clock of Sight.At.
func Now() int64 { return clock(unix.CLOCK_MONOTONIC) }

func clock(id int32) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		panic(err) // both clocks are always there
	}
	return t.Nano()
}
