package ownership

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Describe says for a person which frames claims make the device's: those to its
// addresses, and those from networks and hosts that are reached through it. A network
// inside another one is left out, and a hole is not shown. Of more than most entries
// only the number is given.
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
