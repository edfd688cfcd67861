package policy

// The stage "ecn" marks what another stage would lose, as a router does that tells the
// sender of congestion. Only packets that say they are ECN-capable (RFC 3168) can be
// marked; the others are lost. Whether a packet is capable stands in its header, so the
// verdict has both ways: see [Verdict.Settle].

// ecn has the stage's settings.
type ecn struct{ set bool }

func (s *ecn) given() bool { return s.set }

func (s *ecn) parse(*cursor) { s.set = true }

func (s *ecn) words() string { return "" }

// lacks looks for a stage that loses packets: it stands before this one.
func (s *ecn) lacks(p *Policy) string {
	if p.given()[0].number != ByECN {
		return ""
	}
	return "marks what another stage would drop, so that it needs one beside it, such as " + Example
}

func (s *ecn) compile(prog *Program, _ Time, _ uint64) { prog.ECNMark = 1 }

func (s *ecn) usage() string { return "ecn" }

func (s *ecn) summary() string {
	return "what another stage would drop is relayed with the mark CE instead, if it is ECN-capable"
}

func (s *ecn) meaning() meaning {
	return meaning{then: "what is dropped marked CE instead where it is ECN-capable"}
}

// share returns false, as the loss depends on how many packets are ECN-capable.
func (s *ecn) share() (Share, bool) { return Share{}, false }
