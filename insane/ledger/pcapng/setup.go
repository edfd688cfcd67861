package pcapng

import (
	"strconv"
	"strings"

	"github.com/seed-39a139a1/insane/insane/ledger"
)

const (
	setupWord = "setup"
	judged    = "judged"
	leftOut   = "left-out"
	txWords   = "tx: "
	rxWords   = "rx: "
)

// setupComment returns the comment about a setup: lines; "" if it is not known.
func setupComment(s ledger.Setup) string {
	if s.TX == "" {
		return ""
	}
	var w words
	w.WriteString(setupWord)
	w.text("seed", strconv.FormatUint(s.Seed, 10))
	if s.JudgeNeighbours {
		w.text("neighbours", judged)
	}
	if s.RulesLeftOut {
		w.text("rules", leftOut)
	}
	return w.String() + "\n" + txWords + s.TX + "\n" + rxWords + s.RX + "\n" + s.Rules
}

// parseSetup reads the comment about a setup. It returns false if it is another one.
func parseSetup(comment string) (s ledger.Setup, ok bool) {
	head, rest, _ := strings.Cut(comment, "\n")
	tx, rest, _ := strings.Cut(rest, "\n")
	rx, rules, _ := strings.Cut(rest, "\n")
	fields := strings.Fields(head)
	if len(fields) == 0 || fields[0] != setupWord || !strings.HasPrefix(tx, txWords) || !strings.HasPrefix(rx, rxWords) {
		return s, false
	}
	k := keysOf(fields[1:])
	s = ledger.Setup{
		Seed: k.number("seed", 64), JudgeNeighbours: k.text("neighbours") == judged, RulesLeftOut: k.text("rules") == leftOut,
		TX: tx[len(txWords):], RX: rx[len(rxWords):], Rules: rules,
	}
	return s, k.err == nil
}
