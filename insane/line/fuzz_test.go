package line_test

import (
	"math/rand/v2"
	"testing"

	"github.com/seed-39a139a1/insane/insane/line"
)

// FuzzLine does what the bytes say to a line and to the model, which must agree.
func FuzzLine(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, []byte{0, 20, 30, 25, 3, 22, 5, 38, 39, 19, 0, 30, 7})
	}
	f.Fuzz(func(t *testing.T, seed uint64, acts []byte) {
		const most = 200
		r := rand.New(rand.NewPCG(seed, 4))
		p := newPair(t, randomSettings(r, 0))
		for _, act := range acts[:min(len(acts), most)] {
			p.act(r, int(act)%40)
		}
		p.set(line.Settings{})
		p.goOn(0)
		if packets, _ := p.line.Held(); packets != 0 {
			t.Errorf("%d packets are held by pass", packets)
		}
	})
}
