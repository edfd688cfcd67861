package host

import (
	"context"
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

// nftablesDelay is how often the watcher looks whether a kernel that had no nftables has
// loaded it.
const nftablesDelay = 250 * time.Millisecond

// watcher is a subscription to all of watchGroups, one to changes of nftables, and the
// events received so far.
type watcher struct {
	keep  func(Events) bool // whether the events need a call of wake; nil: always
	ready chan struct{}     // has a value while there are pending events

	mu      sync.Mutex
	pending Events
}

// Watch calls wake after changes of links, addresses, routes, rules, settings, traffic control
// and nftables in the namespace, until ctx ends. The calling thread must be in the namespace of the
// process. Calls of wake do not overlap; the next call gets all events that came during
// one. When the socket overflows, events are lost: then Events.Lost is set, and wake must
// look at the state itself. Watch calls keep with each event first; if keep returns false,
// wake does not get the event. keep must not wait for anything; nil: wake gets all events.
// Watch returns when the subscription is in place. Wait for done before closing anything
// that keep and wake use.
func (l *Links) Watch(ctx context.Context, keep func(Events) bool, wake func(Events)) (done <-chan struct{}, err error) {
	socket, err := subscribe()
	if err != nil {
		return nil, err
	}
	w := &watcher{keep: keep, ready: make(chan struct{}, 1)}
	var group sync.WaitGroup
	group.Go(func() { w.listen(ctx, socket, subscription{subscribe, resubscribeDelay, Events{Lost: true}}) })
	// A kernel without nftables is no error, and may load it later.
	tables, _ := subscribeNFTables()
	group.Go(func() { w.listen(ctx, tables, subscription{subscribeNFTables, nftablesDelay, Events{NFTables: true}}) })
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		defer group.Wait()
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.ready:
				wake(w.take())
			}
		}
	}()
	return finished, nil
}

func subscribe() (*nl.NetlinkSocket, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, watchGroups...)
	if err != nil {
		return nil, fmt.Errorf("subscribe to changes of the network: %w", err)
	}
	return socket, nil
}

// subscription is how listen gets a new socket.
type subscription struct {
	open   func() (*nl.NetlinkSocket, error)
	delay  time.Duration // before each attempt
	missed Events        // covers every event that a socket can miss
}

// listen receives events until ctx ends. When a socket fails, for example because it
// overflows (ENOBUFS), or if it is nil, listen opens another.
func (w *watcher) listen(ctx context.Context, socket *nl.NetlinkSocket, s subscription) {
	for {
		if socket != nil {
			w.receive(ctx, socket)
			w.note(&s.missed) // so far
		}
		for socket = nil; socket == nil; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(s.delay):
			}
			socket, _ = s.open() // repeated until it succeeds
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
			e.add(&messages[i])
		}
		w.note(&e)
	}
}

// note adds events to the pending ones, which wake has not got yet.
func (w *watcher) note(e *Events) {
	if !e.any() || w.keep != nil && !w.keep(*e) {
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
