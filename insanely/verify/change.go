package verify

import "github.com/seed-39a139a1/insane/insanely/verify/stat"

// changeLines judges copies, damage and marks.
func (j *judge) changeLines() {
	if j.duplicate > 0 {
		j.copied()
	} else {
		j.once()
	}
	j.damaged()
	if j.ecn && j.link.mark == 0 {
		j.marked()
	}
}

// once judges that nothing comes twice.
func (j *judge) once() {
	var twice, n uint64
	j.whole(func(p *Packet) {
		if n++; p.Out > 1 {
			twice++
		}
	})
	if twice > 0 {
		j.add(Line{Stage: "no copies", Asked: "each once", Seen: of(twice, n) + " came again", Verdict: Differs}.few(n, 1))
	}
}

// copied judges how many packets have copies, and how many copies.
func (j *judge) copied() {
	var some, wrong, n uint64
	j.whole(func(p *Packet) {
		n++
		if p.Out > 1 {
			some++
			if int(p.Out) != 1+j.copies {
				wrong++
			}
		}
	})
	line := j.share("duplicate", j.duplicate, some, n, "copied")
	// A full queue, and a copy that cannot be told from another packet, take copies away.
	if wrong > j.seen.Queue+j.seen.Unsure+j.seen.Guessed {
		line.Interval, line.Verdict = count(wrong)+" not "+count(uint64(1+j.copies))+" times", Differs
	}
	j.add(line)
}

// damaged judges how many of the packets and copies that came out have other bytes.
func (j *judge) damaged() {
	var damaged, n uint64
	for i := range j.trace {
		n += uint64(j.trace[i].Out)
		damaged += uint64(j.trace[i].Damaged)
	}
	if j.corrupt > 0 {
		j.add(j.share("corrupt", j.corrupt, damaged, n, "damaged"))
	} else if damaged > 0 {
		j.add(Line{Stage: "no damage", Asked: "unchanged", Seen: of(damaged, n) + " changed", Verdict: Differs}.few(n, 1))
	}
}

// share is the line of a stage that does something to a share of the packets.
func (j *judge) share(stage string, p float64, k, n uint64, done string) Line {
	line := Line{
		Stage: j.texts[stage], Asked: share(p) + " " + done, Seen: shareOf(k, n),
		Verdict: verdict(stat.Fits(k, n, p)),
	}
	if p < 1 {
		low, high := stat.Interval(k, n)
		line.Interval = interval(low, high)
	}
	return line.few(n, stat.Need(p, stat.Tolerated(p)))
}

// marked judges that what can be marked is not lost, and the rest not marked.
func (j *judge) marked() {
	var capable, lost, others, marked uint64
	for i := range j.trace {
		p := &j.trace[i]
		switch {
		case p.Alike:
		case p.Capable:
			capable++
			if p.Out == 0 {
				lost++
			}
		default:
			others++
			if p.Marked {
				marked++
			}
		}
	}
	if j.link.bits > 0 {
		lost -= min(lost, j.seen.Queue+j.seen.Unsure)
	}
	j.add(Line{
		Stage: "ecn", Asked: "capable ones marked, not lost",
		Seen:    of(lost, capable) + " lost, " + of(marked, others) + " others marked",
		Verdict: verdict(lost == 0 && marked == 0),
	}.few(capable, 1))
}
