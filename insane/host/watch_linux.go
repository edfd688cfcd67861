package host

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// resubscribeDelay bounds the rate of subscriptions in a storm of events that
// overflows the socket again and again.
const resubscribeDelay = 100 * time.Millisecond

// watchGroups are all groups of changes that a device has to follow.
var watchGroups = []uint{
	unix.RTNLGRP_LINK, unix.RTNLGRP_TC, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
}

// watcher is one subscription to all of watchGroups, and what it was told.
type watcher struct {
	keep  func(Events) bool // whether to wake; nil: always
	ready chan struct{}     // has a value while there are pending events

	mu      sync.Mutex
	pending Events
}

// Watch calls wake after changes of links, addresses, routes, rules and traffic control
// in the namespace, which must be that of the whole process, until ctx ends. Calls
// follow each other, and events that come during one share the next. When the socket
// overflows, events get lost: then Events.Lost is set, and wake is to look at the
// state itself. keep is called with each event before, and may say that wake need not
// have it; it must not wait for anything. Without keep wake has all events. Watch returns when the subscription is in place; wait for done before
// closing what keep and wake use.
func (l *Links) Watch(ctx context.Context, keep func(Events) bool, wake func(Events)) (done <-chan struct{}, err error) {
	socket, err := subscribe()
	if err != nil {
		return nil, err
	}
	w := &watcher{keep: keep, ready: make(chan struct{}, 1)}
	var group sync.WaitGroup
	group.Go(func() { w.listen(ctx, socket) })
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

// listen receives events until ctx ends. A socket that has failed, as it does when
// it overflows (ENOBUFS), is replaced by a new one.
func (w *watcher) listen(ctx context.Context, socket *nl.NetlinkSocket) {
	for {
		w.receive(ctx, socket)
		w.note(&Events{Lost: true}) // whatever was missed until now
		for socket = nil; socket == nil; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(resubscribeDelay):
			}
			socket, _ = subscribe() // tried again until it succeeds
		}
		w.note(&Events{Lost: true}) // and until there was a new subscription
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

// note adds events to those that wake has not got yet.
func (w *watcher) note(e *Events) {
	if !e.any() || w.keep != nil && !w.keep(*e) {
		return
	}
	w.mu.Lock()
	w.pending.merge(e)
	w.mu.Unlock()
	select {
	case w.ready <- struct{}{}:
	default: // the call that is due will have these too
	}
}

func (w *watcher) take() Events {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.pending
	w.pending = Events{}
	return e
}
