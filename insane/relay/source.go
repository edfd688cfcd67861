package relay

import (
	"errors"
	"os"
	"sync"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
)

// Source gives a relay its ports to read: one after the other, and a port from which nothing
// comes while there is no other. It is not safe for concurrent use.
type Source struct {
	relay   *Relay
	group   *sync.WaitGroup
	ended   chan struct{} // closed when the relay has finished with the last port
	silence port.Port     // nil: the last port is a real one
}

// NewSource makes a source of a relay that reads nothing yet. The goroutines that run the
// relay are in group.
func NewSource(r *Relay, group *sync.WaitGroup) Source { return Source{relay: r, group: group} }

// Next makes the relay read from a port until that is closed. It begins when the relay has
// finished with the port before, which the caller closes. What is still held comes first: the
// kernel lets no later frame of the new port overtake it. backlog is as in Run. Next waits for
// nothing.
func (s *Source) Next(from port.Port, backlog *kern.Backlog) {
	if backlog != nil {
		backlog.Hold()
	}
	before, ended := s.ended, make(chan struct{})
	s.ended = ended
	_ = s.Close()
	s.group.Go(func() {
		defer close(ended)
		if before != nil {
			<-before
		}
		if err := s.relay.Run(from, backlog); !errors.Is(err, os.ErrClosed) {
			s.relay.log.Error("receive from slave", "err", err)
		}
	})
}

// Nothing lets the relay pass on what it holds while there is no port to read from.
func (s *Source) Nothing() {
	silence, err := port.OpenSilence()
	if err != nil {
		s.relay.log.Error("pass on what has arrived before the slave was gone", "err", err)
		return
	}
	s.Next(silence, nil)
	s.silence = silence
}

// Close closes the port from which nothing comes, if it is the last one.
func (s *Source) Close() error {
	if s.silence == nil {
		return nil
	}
	silence := s.silence
	s.silence = nil
	return silence.Close()
}
