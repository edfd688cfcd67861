package policy

import "time"

// The stage "time ON OFF" relays for ON, then drops for OFF, and repeats. The
// phase is counted from the epoch each time it is asked for and never
// accumulated, so a late or missing packet shifts no edge and nothing drifts.

// onOff is the stage's settings. Both zero is absent; no text can say it.
type onOff struct {
	on, off time.Duration // 0 … maxSpan
}

func (s *onOff) given() bool { return s.on != 0 || s.off != 0 }

func (s *onOff) parse(args []string) error {
	on, err := parseSpan(args[0])
	if err != nil {
		return &FieldError{"time ON", args[0], err.Error()}
	}
	off, err := parseSpan(args[1])
	if err != nil {
		return &FieldError{"time OFF", args[1], err.Error()}
	}
	if on == 0 && off == 0 {
		return &FieldError{"time", args[0] + " " + args[1], "ON and OFF are both zero"}
	}
	*s = onOff{on: on, off: off}
	return nil
}

func (s *onOff) words() string { return s.on.String() + " " + s.off.String() }

func (s *onOff) compile(prog *Program, epoch Time, _ uint64) {
	prog.TimeEpoch = uint64(epoch)
	prog.TimeOn = uint64(s.on)
	prog.TimeCycle = uint64(s.on + s.off)
}

// timeDrops says whether the stage drops what passes at now. A time before the
// epoch is the epoch: a batch may carry a clock reading that is a little older
// than the program it meets.
func (p *Program) timeDrops(now Time) bool {
	if p.TimeCycle == 0 {
		return false
	}
	var phase uint64
	if uint64(now) > p.TimeEpoch {
		phase = (uint64(now) - p.TimeEpoch) % p.TimeCycle
	}
	return phase >= p.TimeOn
}
