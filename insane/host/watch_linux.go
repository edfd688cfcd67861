package host

import (
	"context"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// resubscribeDelay is the least time between two subscriptions. It limits their rate when
// so many events come that the socket overflows again and again.
const resubscribeDelay = 100 * time.Millisecond

// A subscription begins to listen to one kind of change and returns at once. It calls
// notify after each change. The channel is closed when the subscription has ended, because
// ctx has ended or because of an error.
type subscription func(ctx context.Context, notify func()) (ended <-chan struct{}, err error)

// Watch calls wake after every change of a link, of an address or of traffic control in
// the network namespace, until ctx ends. That must be the namespace of all threads of the
// process. wake does not learn what has changed, because events get lost when a socket
// overflows; it must look at the state itself. Two calls of wake never overlap. All
// changes that come during one call share the next one.
//
// Watch returns when the subscriptions are in place. done is closed when the last call of
// wake has returned and all subscriptions have ended. Whoever closes something that wake uses
// must wait for it.
func (l *Links) Watch(ctx context.Context, wake func()) (done <-chan struct{}, err error) {
	return watchAll(ctx, wake, watchLinks, watchAddrs, watchTraffic)
}

// WatchRoutes is Watch for all changes that decide where the host sends packets: those of
// links, addresses and routes.
func (l *Links) WatchRoutes(ctx context.Context, wake func()) (done <-chan struct{}, err error) {
	return watchAll(ctx, wake, watchLinks, watchAddrs, watchRoutes)
}

// watchAll is Watch for the given kinds of change. One goroutine calls wake, and one
// goroutine for each kind keeps its subscription alive. The channel between them has room
// for one element, which stands for all changes since the last call began.
func watchAll(ctx context.Context, wake func(), kinds ...subscription) (done <-chan struct{}, err error) {
	pending := make(chan struct{}, 1)
	notify := func() {
		select {
		case pending <- struct{}{}:
		default: // a call of wake is due already and will see this change too
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

// resubscribe keeps a subscription alive until ctx ends. The library ends a subscription
// without an error when its socket overflows (ENOBUFS).
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
			continue // ended is still closed, so the loop waits and tries again
		}
		ended = again
		notify() // for the changes in between, which nobody reported
	}
}

// The subscriptions of the netlink library. Each of them ends after an error.
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

// watchTraffic is a subscription to changes of traffic control, which are queueing
// disciplines and filters. The library has no such subscription.
func watchTraffic(ctx context.Context, notify func()) (<-chan struct{}, error) {
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

// subscribing makes a subscription out of a function of the netlink library.
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

// forward calls notify for every update until the channel is closed. Then it calls cancel,
// because the library keeps the socket of a subscription open until its context ends, even
// if the subscription has ended before.
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
