package lab

import (
	"math"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// welcome says where the user is.
func welcome(p *printer) {
	p.printf(`Welcome to the lab. Two hosts, one cable:

     borea                                   morgana
   ┌──────────────────┐                    ┌──────────────────┐
   │  insane          │                    │                  │
   │     ↕            │                    │                  │
   │    eth0 10.9.0.1 ├────────────────────┤ eth0  10.9.0.2   │
   │        fd00:9::1 │                    │      fd00:9::2   │
   └──────────────────┘                    └──────────────────┘

Both were made a moment ago out of network namespaces and a veth pair, and
nothing here touches your real network. On borea, what goes to morgana is
routed through insane, and what morgana sends comes in through it: a network
interface in front of eth0 that relays as much as it is told to, as late and as
whole as it is told to. One of them numbers her packets, the kernel of the other
notes when each arrives, and insane keeps counters of its own; here they are
side by side.

"Chance allows" is an exact binomial interval: a device that works as asked
leaves it about once in %d measurements. What else is allowed is said with
each measurement. What is outside of it is NOT OK, and the exit status is 1.

`, int(math.Round(1/probe.Alpha)))
}

// farewell says what is left on the machine and how to continue.
func farewell(p *printer) {
	p.printf(`
Nothing is left: both hosts, the cable and insane are gone.
To play on: insane lab --shell
`)
}

// hint says what a user can do in the shell.
func hint(p *printer) {
	p.printf(`This shell is on borea; morgana is one cable away, behind insane. Try:
  ping morgana
  insanely eth0 percent 60      lose 40 %% of what borea sends to her
  insanely eth0 rx percent 60   and of what she sends to borea
  insanely                      what is set, and what became of it
  insanely watch                the same as it happens
  tcpdump -i insane             every packet before any is lost; -i eth0: after
  exit                          and nothing is left
`)
}
