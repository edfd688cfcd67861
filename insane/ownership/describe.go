package ownership

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Takes is the result of Describe.
type Takes = api.Takes

// MaxTakes is how many entries a user is shown.
const MaxTakes = api.MaxTakes

// Describe lists for a user which frames claims give to the device: frames to its addresses
// (To), and frames from networks and hosts that are reached through it (From). It leaves
// out a network inside another one, and does not show networks that are excluded from a
// wider one. It lists at most most entries; More counts the rest.
func Describe(claims kern.Claims, most int) api.Takes {
	t := api.Takes{To: []string{}, From: []string{}}
	for _, p := range slices.SortedFunc(maps.Keys(claims), netip.Prefix.Compare) {
		claim := claims[p]
		switch {
		case claim&kern.Own == 0 && (claim&kern.Routed == 0 || claims.Wider(p)&kern.Routed != 0):
		case len(t.To)+len(t.From) >= most:
			t.More++
		case claim&kern.Own != 0:
			t.To = append(t.To, p.Addr().String())
		case p.IsSingleIP():
			t.From = append(t.From, p.Addr().String())
		default:
			t.From = append(t.From, p.String())
		}
	}
	return t
}
