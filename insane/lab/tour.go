package lab

import (
	"context"
	"time"
)

// attempts is how often a stop is measured if the machine is too busy.
const attempts = 3

// halt measures and shows one stop.
func (s *story) halt(ctx context.Context, nth int, stop stop) error {
	s.printf("%d. %s\n", nth, stop.title)
	s.printf("   borea# %s\n", s.paint(bold, "insanely "+Link+" "+stop.command()))
	s.row("asked", "%s", stop.asked)
	m, err := s.measure(ctx, stop)
	for try := 1; err == nil && try < attempts && stop.unfair(m); try++ {
		stop = stop.slower()
		s.row("", "(this machine was too busy; once more, with %s a second)", packets(stop.rate))
		m, err = s.measure(ctx, stop)
	}
	if err != nil {
		return err
	}
	s.show(stop, m)
	s.printf("   ")
	s.verdict(stop.command(), stop.judge(m))
	return s.err
}

// measure sets the policy, sends the probe and the bystander's packets at the same time,
// and reads the counters before and after.
func (s *story) measure(ctx context.Context, stop stop) (measurement, error) {
	m := measurement{set: time.Now()}
	before, err := s.control.Set(ctx, stop.change())
	if err != nil {
		return m, err
	}
	m.ready = time.Now()
	// The first reading of the counters is the answer to the change. Packets between the
	// change and the probe are counted by the device, but do not belong to the probe.
	bystander := make(chan error, 1)
	go func() { bystander <- s.bystand(ctx, stop) }()
	p := stop.probe(s.lab)
	if stop.witness {
		p.Witness = stop.arrivesAt(before.Name)
	}
	m.result, err = s.run(p, ctx)
	if failed := <-bystander; err == nil {
		err = failed
	}
	if err != nil {
		return m, err
	}
	after, err := s.control.Info(ctx)
	if err != nil {
		return m, err
	}
	m.counters = between(stop.stats(before), stop.stats(after))
	return m, nil
}

// bystand sends packets that do not pass the device, for as long as the stop's probe takes.
func (s *story) bystand(ctx context.Context, stop stop) error {
	r, err := s.run(stop.bystander(s.lab), ctx)
	if err != nil {
		return err
	}
	s.bystander.Sent += r.Sent
	s.bystander.Received += r.Received
	s.bystander.Overflowed += r.Overflowed
	s.bystander.Refused += r.Refused
	return nil
}

// show prints the measurement.
func (s *story) show(stop stop, m measurement) {
	r, b := m.result, m.counters
	p := stop.probe(s.lab)
	from, to := stop.ends(s.lab)
	s.row("sent", "%s from %s, %s, to %s, %s", packets(r.Sent), from.Name, p.Source, to.Name, p.Address)
	s.row("arrived", "%s", stop.expect.arrived(m))
	left := "relayed − arrived"
	if stop.witness {
		left += " − refused"
	}
	s.row("counters", "offered %s = relayed %s + dropped %s; %s = %d",
		number(b.offered), number(b.relayed), number(b.dropped+b.others), left, m.difference())
	// Without this line the sum above would look wrong.
	if n := m.foreign(); n > 0 {
		s.row("", "(%d of them the kernel's own, such as neighbour discovery)", n)
	}
	for _, d := range stop.expect.details(m) {
		s.row(d.label, "%s", d.text)
	}
}
