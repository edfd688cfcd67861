package host

import (
	"context"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// resubscribeDelay bounds the rate of subscriptions in a storm of events that
// overflows the socket again and again.
const resubscribeDelay = 100 * time.Millisecond

// subscription begins to listen to one kind of change. The channel is closed
// when it is over.
type subscription func(ctx context.Context, notify func()) (ended <-chan struct{}, err error)

// Watch calls wake after every change of a link, of an address or of traffic control
// in the namespace, which must be that of the whole process, until ctx ends. It says
// that something changed, not what: events get lost when the socket overflows,
// so whoever listens looks at the state itself. Calls follow each other, and
// changes that come during one share the next. Watch returns when the
// subscriptions are in place; wait for done before closing what wake uses.
func (l *Links) Watch(ctx context.Context, wake func()) (done <-chan struct{}, err error) {
	return watchAll(ctx, wake, watchLinks, watchAddrs, watchControl)
}

// WatchRoutes is Watch for everything that decides where the host sends to:
// links, addresses and routes.
func (l *Links) WatchRoutes(ctx context.Context, wake func()) (done <-chan struct{}, err error) {
	return watchAll(ctx, wake, watchLinks, watchAddrs, watchRoutes)
}

func watchAll(ctx context.Context, wake func(), kinds ...subscription) (done <-chan struct{}, err error) {
	pending := make(chan struct{}, 1)
	notify := func() {
		select {
		case pending <- struct{}{}:
		default: // one is waiting already and will see this change too
		}
	}
	var group sync.WaitGroup
	for _, subscribe := range kinds {
		ended, err := subscribe(ctx, notify)
		if err != nil {
			return nil, err
		}
		group.Go(func() { resubscribe(ctx, subscribe, ended, notify) })
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		defer group.Wait()
		for {
			select {
			case <-ctx.Done():
				return
			case <-pending:
				wake()
			}
		}
	}()
	return finished, nil
}

// resubscribe keeps a subscription alive: the library ends one without a word
// when its socket overflows (ENOBUFS).
func resubscribe(ctx context.Context, subscribe subscription, ended <-chan struct{}, notify func()) {
	for {
		<-ended
		select {
		case <-ctx.Done():
			return
		case <-time.After(resubscribeDelay):
		}
		again, err := subscribe(ctx, notify)
		if err != nil {
			continue // ended is closed still: wait again and try again
		}
		ended = again
		notify() // whatever was missed meanwhile
	}
}

// The subscriptions of the library, each of which is for once.
var (
	watchLinks = subscribing(func(updates chan<- netlink.LinkUpdate, done <-chan struct{}, failed func(error)) error {
		return netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{ErrorCallback: failed})
	})
	watchAddrs = subscribing(func(updates chan<- netlink.AddrUpdate, done <-chan struct{}, failed func(error)) error {
		return netlink.AddrSubscribeWithOptions(updates, done, netlink.AddrSubscribeOptions{ErrorCallback: failed})
	})
	watchRoutes = subscribing(func(updates chan<- netlink.RouteUpdate, done <-chan struct{}, failed func(error)) error {
		return netlink.RouteSubscribeWithOptions(updates, done, netlink.RouteSubscribeOptions{ErrorCallback: failed})
	})
)

// watchControl is a subscription to changes of traffic control: queueing disciplines
// and filters. The library has none.
func watchControl(ctx context.Context, notify func()) (<-chan struct{}, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_TC)
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, socket.Close)
	go func() {
		defer close(ended)
		defer stop()
		defer socket.Close()
		for {
			if _, _, err := socket.Receive(); err != nil {
				notify()
				return
			}
			notify()
		}
	}()
	return ended, nil
}

// subscribing makes a subscription of one of the library's.
func subscribing[T any](subscribe func(chan<- T, <-chan struct{}, func(error)) error) subscription {
	return func(outer context.Context, notify func()) (<-chan struct{}, error) {
		ctx, cancel := context.WithCancel(outer)
		updates := make(chan T)
		if err := subscribe(updates, ctx.Done(), func(error) { notify() }); err != nil {
			cancel()
			return nil, err
		}
		return forward(updates, notify, cancel), nil
	}
}

// forward passes updates on until there are no more. Then it calls cancel: the
// library keeps the socket of a subscription open until its context ends, even
// after the subscription itself did.
func forward[T any](updates <-chan T, notify, cancel func()) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		for range updates {
			notify()
		}
	}()
	return ended
}
