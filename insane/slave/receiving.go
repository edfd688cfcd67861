package slave

import (
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/watchdog"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Receiving is how a device handles the frames that arrive at its slave. It is not safe for
// concurrent use.
type Receiving struct {
	Mode     string             // one of the api.Receive… modes
	Objects  *kern.Objects      // nil until a mode, or the fast path, needs them
	Watchdog *watchdog.Watchdog // of rx; nil while Objects is nil
	Claims   kern.Claims        // the claims in force
	Words    api.Takes          // the claims in force, in words
	Idle     string             // why nothing is taken; "" if the device takes what it should
}

// NewReceiving returns the state of a new device: no frames, and no eBPF objects.
func NewReceiving() Receiving { return Receiving{Mode: api.ReceiveNone} }

// Loaded reports whether the eBPF objects are loaded.
func (r *Receiving) Loaded() bool { return r.Objects != nil }

// TakesFrames reports whether the mode takes frames.
func (r *Receiving) TakesFrames() bool { return r.Loaded() && r.Mode != api.ReceiveNone }

// Claim replaces the claims in force; words are the same. It waits for an RCU grace period.
func (r *Receiving) Claim(claims kern.Claims, words api.Takes) error {
	err := r.Objects.Claim(claims)
	if err == nil {
		r.Claims, r.Words = claims, words
	}
	return err
}

// Arm makes the kernel take frames as long as the relay of rx works; with false the kernel
// takes none. It must not be called before the objects are loaded.
func (r *Receiving) Arm(on bool) { r.Watchdog.Arm(on) }

// Close releases the eBPF objects.
func (r *Receiving) Close() error {
	if !r.Loaded() {
		return nil
	}
	return r.Objects.Close()
}

// Takes describes for a user which frames the device takes.
func (r *Receiving) Takes() api.Takes {
	t := api.Takes{To: []string{}, From: []string{}}
	if r.Mode == api.ReceiveAuto && r.Claims != nil {
		t = r.Words
	}
	t.Idle = r.Idle
	return t
}
