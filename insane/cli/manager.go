package cli

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// managerPatience is how long the end of the daemon waits until the service manager has
// room for the last state.
const managerPatience = 30 * time.Millisecond

// manager tells a service manager the state of the daemon (sd_notify(3)): that it is ready,
// that it stops, and, if the manager has a watchdog, that it works. One goroutine sends the
// states in their order. It waits for a manager that does not read; nobody waits for it.
type manager struct {
	log    *slog.Logger
	states chan string
	ending chan struct{} // closed by close
	sent   chan struct{} // closed when everything is sent
	failed string        // the last error that was logged
}

// openManager starts the goroutine. Without a service manager in the environment it does
// nothing. The caller must call close.
func openManager(log *slog.Logger) *manager {
	m := &manager{log: log, states: make(chan string, 4), ending: make(chan struct{}), sent: make(chan struct{})}
	go m.run()
	return m
}

// tell sends a state. It never waits: if the manager has not read the last few ones, it
// drops the state.
func (m *manager) tell(state string) {
	select {
	case m.states <- state:
	default:
	}
}

// keepAlive tells the manager that the daemon works, twice as often as its watchdog asks
// for (WATCHDOG_USEC), as long as works returns true and stop is open. works must not wait.
func (m *manager) keepAlive(works func() bool, stop <-chan struct{}) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		m.log.Warn("notify service manager", "err", err)
	}
	if interval <= 0 {
		return
	}
	go func() {
		ticks := time.NewTicker(max(interval/2, time.Millisecond))
		defer ticks.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticks.C:
			}
			if works() {
				m.tell(daemon.SdNotifyWatchdog)
			}
		}
	}()
}

// close ends the goroutine when all states are sent, and waits for that for at most
// managerPatience. States that are told afterwards are lost. Call it once.
func (m *manager) close() {
	close(m.ending)
	select {
	case <-m.sent:
	case <-time.After(managerPatience):
	}
}

// run sends states until close, and then those that are left.
func (m *manager) run() {
	defer close(m.sent)
	for {
		select {
		case state := <-m.states:
			m.send(state)
			continue
		case <-m.ending:
		}
		for {
			select {
			case state := <-m.states:
				m.send(state)
			default:
				return
			}
		}
	}
}

// send sends one state and waits until the manager has room for it. It logs an error once,
// because a manager that is not there would be one at every tick of the watchdog.
func (m *manager) send(state string) {
	_, err := daemon.SdNotify(false, state)
	if err == nil || err.Error() == m.failed {
		return
	}
	m.failed = err.Error()
	m.log.Warn("notify service manager", "err", fmt.Errorf("NOTIFY_SOCKET %q: %w", os.Getenv("NOTIFY_SOCKET"), err))
}
