package ownership

import (
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
	first := make([]netip.Prefix, 0, most+1) // the entries to list, sorted; there can be many more
	for p, claim := range claims {
		if claim&kern.Own == 0 && (claim&kern.Routed == 0 || claims.Wider(p)&kern.Routed != 0) {
			continue
		}
		if at, _ := slices.BinarySearchFunc(first, p, netip.Prefix.Compare); at < most {
			first = slices.Insert(first, at, p)
		} else {
			t.More++
		}
		if len(first) > most {
			first = first[:most]
			t.More++
		}
	}
	for _, p := range first {
		switch {
		case claims[p]&kern.Own != 0:
			t.To = append(t.To, p.Addr().String())
		case p.IsSingleIP():
			t.From = append(t.From, p.Addr().String())
		default:
			t.From = append(t.From, p.String())
		}
	}
	return t
}
