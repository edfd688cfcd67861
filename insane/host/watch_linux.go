package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// resubscribeDelay limits how often the watcher subscribes again in a storm of events that
// overflows the socket repeatedly.
const resubscribeDelay = 100 * time.Millisecond

// watchGroups are the groups of rtnetlink events that a device needs.
var watchGroups = []uint{
	unix.RTNLGRP_LINK, unix.RTNLGRP_TC, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
	unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF, unix.RTNLGRP_NEXTHOP,
}

// WatchOptions say what Watch is to do.
type WatchOptions struct {
	Own  int               // index of the interface of the device; 0: there is none
	Keep func(Events) bool // whether the events need a call of Wake; nil: always. It must not wait for anything
	Wake func(Events)      // gets the events
}

// nftablesDelay is how often the watcher looks whether a kernel that had no nftables has
// loaded it.
const nftablesDelay = 250 * time.Millisecond

// watcher is a subscription to all of watchGroups, one to changes of nftables, and the
// events received so far.
type watcher struct {
	WatchOptions
	device origin
	ready  chan struct{} // has a value while there are pending events

	mu      sync.Mutex
	pending Events
}

// Watch calls o.Wake after changes of links, addresses, routes, rules, settings, traffic
// control and nftables in the namespace, until ctx ends. The calling thread must be in the
// namespace of the process. Calls of Wake do not overlap; the next call gets all events that
// came during one. When the socket overflows, events are lost: then Events.Lost is set, and
// Wake must look at the state itself. Events about the interface o.Own and its routes have a
// socket of their own, and are not lost with the others; if they are, the interface counts as
// down for a moment. Watch calls o.Keep with each event first; if it returns false, Wake does
// not get the event. Watch returns when the subscription is in place. Wait for done before
// closing anything that Keep and Wake use.
func (l *Links) Watch(ctx context.Context, o WatchOptions) (done <-chan struct{}, err error) {
	port, err := l.raw.Socket.GetPid()
	if err != nil {
		return nil, fmt.Errorf("subscribe to changes of the network: %w", err)
	}
	w := &watcher{WatchOptions: o, device: origin{o.Own, port}, ready: make(chan struct{}, 1)}
	list, err := o.subscriptions()
	if err != nil {
		return nil, err
	}
	var group sync.WaitGroup
	for _, s := range list {
		group.Go(func() { w.listen(ctx, s) })
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		defer group.Wait()
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.ready:
				w.Wake(w.take())
			}
		}
	}()
	return finished, nil
}

// subscription is a socket that gets events, and how to get another one.
type subscription struct {
	socket *nl.NetlinkSocket // nil: there is none yet
	open   func() (*nl.NetlinkSocket, error)
	delay  time.Duration // before each attempt
	missed Events        // covers every event that a socket can miss
}

// subscriptions opens what Watch listens to. After an error nothing is open.
func (o *WatchOptions) subscriptions() (list []subscription, err error) {
	parts := []subscription{{
		open:  func() (*nl.NetlinkSocket, error) { return subscribe(o.Own, false) },
		delay: resubscribeDelay, missed: Events{Lost: true},
	}}
	if o.Own != 0 {
		down := LinkEvent{Link: Link{Index: o.Own}, Down: true}
		parts = append(parts, subscription{
			open:  func() (*nl.NetlinkSocket, error) { return subscribe(o.Own, true) },
			delay: resubscribeDelay, missed: Events{Lost: true, NoIPv6: true, Links: []LinkEvent{down}},
		})
	}
	for _, s := range parts {
		if s.socket, err = s.open(); err != nil {
			for _, s := range list {
				s.socket.Close()
			}
			return nil, err
		}
		list = append(list, s)
	}
	// A kernel without nftables is no error, and may load it later, if it knows the protocol.
	tables, err := subscribeNFTables()
	if !errors.Is(err, unix.EPROTONOSUPPORT) {
		list = append(list, subscription{tables, subscribeNFTables, nftablesDelay, Events{NFTables: true}})
	}
	return list, nil
}

// listen receives events until ctx ends. When a socket fails, for example because it
// overflows (ENOBUFS), or if it is nil, listen opens another.
func (w *watcher) listen(ctx context.Context, s subscription) {
	for {
		if s.socket != nil {
			w.receive(ctx, s.socket)
			w.note(&s.missed) // so far
		}
		for s.socket = nil; s.socket == nil; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(s.delay):
			}
			s.socket, _ = s.open() // repeated until it succeeds
		}
		w.note(&s.missed) // before the new subscription
	}
}

// receive notes events until the socket fails or ctx ends, and closes the socket.
func (w *watcher) receive(ctx context.Context, socket *nl.NetlinkSocket) {
	defer socket.Close()
	stop := context.AfterFunc(ctx, socket.Close)
	defer stop()
	for {
		messages, _, err := socket.Receive()
		if err != nil {
			return
		}
		var e Events
		for i := range messages {
			e.add(&messages[i], w.device)
		}
		w.note(&e)
	}
}

// note adds events to the pending ones, which wake has not got yet.
func (w *watcher) note(e *Events) {
	if !e.any() || w.Keep != nil && !w.Keep(*e) {
		return
	}
	w.mu.Lock()
	w.pending.merge(e)
	w.mu.Unlock()
	select {
	case w.ready <- struct{}{}:
	default: // a call of wake is already due and gets these events too
	}
}

func (w *watcher) take() Events {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.pending
	w.pending = Events{}
	return e
}
