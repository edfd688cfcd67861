package ledger

// MaxRules is the most bytes of rules that a recording has.
const MaxRules = 60_000

// Setup is what was asked of a device when its recording began. Programs tell what was asked
// later.
type Setup struct {
	Seed            uint64 `json:"seed,string"`
	JudgeNeighbours bool   `json:"judgeNeighbours,omitempty"`
	TX              string `json:"tx"` // canonical text of the policy of the direction; "": not known
	RX              string `json:"rx"`
	Rules           string `json:"rules,omitempty"` // as policy.ParseRules reads them
	// RulesLeftOut says that there are rules, whose text is longer than MaxRules.
	RulesLeftOut bool `json:"rulesLeftOut,omitempty"`
}
