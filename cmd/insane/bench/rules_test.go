package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// sets are rules that pass everything: none, one, as many as are allowed, all of one shape,
// and 32 of different shapes. The packets fit none of them, so that each look-up is a whole one.
func sets() map[string]string {
	many, shapes := "", ""
	var text []byte
	for i := range api.MaxRules {
		text = fmt.Appendf(text, "r%d: dst host 10.%d.%d.%d both pass\n", i, 64+i>>16, i>>8&255, i&255)
	}
	many = string(text)
	for i := range 32 {
		shapes += fmt.Sprintf("s%d: dst net 128.0.0.0/%d both pass\n", i, 1+i)
	}
	return map[string]string{"0": "", "1": "one: dst host 192.0.2.1 both pass\n", "65534": many, "32-shapes": shapes}
}

// BenchmarkRulesTCP sends one stream of TCP through either path with rules.
func BenchmarkRulesTCP(b *testing.B) { eachSet(b, benchTCP) }

// BenchmarkRulesPackets sends 64-byte packets as fast as one sender can through the same.
func BenchmarkRulesPackets(b *testing.B) {
	eachSet(b, func(b *testing.B, sender, receiver benchEnd) { benchPackets(b, sender, receiver) })
}

func eachSet(b *testing.B, run func(b *testing.B, sender, receiver benchEnd)) {
	for _, path := range inTurn([]string{api.PathKernel, api.PathRelay}) {
		w := newDeviceWay(b, path, path, api.ReceiveAuto)
		w.meet(b)
		texts := sets()
		for _, name := range inTurn([]string{"0", "1", "32-shapes", "65534"}) {
			text := texts[name]
			_, err := w.daemon.Client.ChangeRules(context.Background(), api.RulesChange{Load: &text})
			labtest.Must(b, err)
			b.Run("path="+path+"/rules="+name, func(b *testing.B) {
				near, far := w.ends()
				run(b, near, far)
			})
		}
		w.check(b)
	}
}
