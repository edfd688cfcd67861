package relay

import (
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// ParsePolicy reads a policy text that may be absent. field is the member that an error names.
// The error is an *api.Error if the text is at fault.
func ParsePolicy(field string, text *string) (*policy.Policy, error) {
	if text == nil {
		return nil, nil
	}
	p, err := policy.Parse(*text)
	var bad *policy.FieldError
	if errors.As(err, &bad) {
		return nil, api.Errorf(api.ErrInvalid, field, "%s: %v", field, bad)
	}
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", field, err)
	}
	if missing := p.Compile(0, 0).Stages &^ carried; missing != 0 {
		return nil, api.Errorf(api.ErrInvalid, field, "%s: the relay cannot do %v yet", field, missing)
	}
	return &p, nil
}

// carried are the stages that a relay carries out.
const carried = policy.Stages(1<<policy.ByPercent | 1<<policy.ByTime | 1<<policy.ByEvery)
