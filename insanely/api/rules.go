package api

// Paths of the requests about rules.
const (
	PathRules     = "/v1/rules"      // GET: RulesPage, POST: RulesChange
	PathRulesFile = "/v1/rules/file" // GET: the rules as text, PUT: text that replaces all of them
)

// The limits of requests about rules.
const (
	MaxRules     = 65534    // rules of a device
	MaxRulesFile = 16 << 20 // bytes of all rules as text
	MaxRulesPage = 128      // rules in one answer
	MaxRulesBody = 1 << 20  // bytes of such an answer
)

// DefaultRule is the name under which the policy of a direction is shown behind its rules:
// it judges the packets that no rule judges.
const DefaultRule = "default"

// RulesPage is the answer to GET of PathRules: some of the rules, in order. The parameter
// from says which is the first, counted from 0: "/v1/rules?from=128".
type RulesPage struct {
	// Rules are at most MaxRulesPage, and fewer if they need more than MaxRulesBody. From
	// behind the last one there are none. DefaultRule is the last of all.
	Rules []Rule `json:"rules"`
	From  int    `json:"from"`  // number of the first
	Total int    `json:"total"` // of all, with DefaultRule

	// Version changes with each change of the rules. Pages with different versions do not
	// belong together.
	Version uint64 `json:"version"`
}

// Rule is one rule of a device: which packets it judges, and what happens to them.
type Rule struct {
	Name  string         `json:"name"`
	Match string         `json:"match"` // canonical text
	TX    *RuleDirection `json:"tx"`    // null: the rule does not look at what the host sends
	RX    *RuleDirection `json:"rx"`    // null: the rule does not look at what the host receives
}

// RuleDirection is a rule in one direction: its policy, and what happened to its packets
// since the rule came. Its counters balance like those of the direction; in Stats.Dropped and
// Stats.Stages only those are present that are not 0. Messages of neighbours without a verdict
// are counted with DefaultRule.
type RuleDirection struct {
	Policy   string   `json:"policy"`
	Verdicts Verdicts `json:"verdicts"`
	Did      Did      `json:"did"` // without Rate
	Late     Late     `json:"late"`
	Stats    Stats    `json:"stats"`
}

// RulesChange asks for a change of the rules: exactly one of Add, Set, Delete and Load, in the
// words that package policy reads. It is carried out as a whole or not at all. The answer is RulesChanged.
type RulesChange struct {
	Add    *string `json:"add,omitempty"`    // a rule as text, without ":" behind its name
	Before *string `json:"before,omitempty"` // with Add: name of the rule in front of which it comes; absent: at the end
	Set    *string `json:"set,omitempty"`    // name and policies, of one direction or of both: "dns rx pass"
	Delete *string `json:"delete,omitempty"` // name of a rule
	Load   *string `json:"load,omitempty"`   // text of a file of rules, which replace all

	Session *string `json:"session,omitempty"` // with any of these, as in Change
	For     *string `json:"for,omitempty"`     // the same
	Confirm *string `json:"confirm,omitempty"` // the same
}

// Check returns an error if a change does not ask for exactly one thing, or not for a time that
// can be. It is an *Error.
func (c RulesChange) Check() error {
	n := 0
	for _, member := range []*string{c.Add, c.Set, c.Delete, c.Load} {
		if member != nil {
			n++
		}
	}
	switch {
	case n != 1:
		return Errorf(ErrInvalid, "", "body: has %d of add, set, delete and load: want exactly one", n)
	case c.Before != nil && c.Add == nil:
		return Errorf(ErrInvalid, "before", "before: %.64q: only with add", *c.Before)
	}
	_, err := c.Term()
	return err
}

// RulesChanged is the answer to RulesChange.
type RulesChanged struct {
	Total   int    `json:"total"`   // rules, without DefaultRule
	Version uint64 `json:"version"` // as in RulesPage
}
