package cli

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insanely/wire"
)

// daemon is a stand-in for the insane daemon: it keeps an Info, applies changes
// to it, and refuses the slaves and receive modes that have a refusal.
type daemon struct {
	server   *httptest.Server
	requests atomic.Int32 // of any kind
	mood     string       // "" answers, "garbage" answers nonsense

	mu       sync.Mutex
	info     wire.Info
	refusals map[string]*wire.Error // by slave or receive mode
}

func startDaemon(socket, mood string, info wire.Info) (*daemon, error) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	d := &daemon{mood: mood, info: info, refusals: map[string]*wire.Error{
		"nosuch": wire.Errorf(wire.ErrNoDevice, "slave", "slave %q: no such device", "nosuch"),
		"tun0":   wire.Errorf(wire.ErrWrongType, "slave", "slave %q: not Ethernet or loopback", "tun0"),
		"insane": wire.Errorf(wire.ErrLoop, "slave", "slave %q: is the device itself", "insane"),
		"secret": wire.Errorf(wire.ErrForbidden, "", "uid 65534 may not change this device"),
		"broken": wire.Errorf(wire.ErrInternal, "", "attach slave %q:\nno buffer space", "broken"),
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.PathInfo, d.get)
	mux.HandleFunc("PUT "+wire.PathInfo, d.put)
	mux.HandleFunc("GET "+wire.PathStats, d.stats)
	d.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.requests.Add(1)
		mux.ServeHTTP(w, r)
	}))
	d.server.Listener.Close()
	d.server.Listener = listener
	d.server.Start()
	return d, nil
}

func (d *daemon) get(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer(w, d.info)
}

func (d *daemon) put(w http.ResponseWriter, r *http.Request) {
	var change wire.Change
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
		d.refuse(w, wire.Errorf(wire.ErrInvalid, "", "decode change: %v", err))
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	after, refusal := d.changed(change)
	if refusal != nil {
		d.refuse(w, refusal)
		return
	}
	d.info = after
	d.answer(w, d.info)
}

// changed is what a change makes of the device, or why it cannot be.
func (d *daemon) changed(change wire.Change) (wire.Info, *wire.Error) {
	info := d.info
	if change.Slave != nil {
		info.Slave, info.SlaveState = *change.Slave, wire.SlaveUp
	}
	for member, asked := range map[*string]*string{
		&info.Receive: change.Receive, &info.TX.Policy: change.TX, &info.RX.Policy: change.RX,
	} {
		if asked != nil {
			*member = *asked
		}
	}
	for _, asked := range []string{info.Slave, info.Receive} {
		if refusal := d.refusals[asked]; refusal != nil {
			return info, refusal
		}
	}
	if info.Receive == wire.ReceiveNone && info.RX.Policy != "pass" {
		return info, wire.Errorf(wire.ErrInvalid, "rx",
			"rx: %q: with receive none nothing that arrives is the device's to fault", info.RX.Policy)
	}
	if change.Seed != nil {
		info.Seed = *change.Seed
	}
	info.Takes = takesOf(info)
	return info, nil
}

// stats moves on by a few packets each time, as a busy device does.
func (d *daemon) stats(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.info.TX.Stats.Offered.Packets += 10
	d.info.TX.Stats.Relayed.Packets += 10
	d.answer(w, wire.DeviceStats{TX: d.info.TX.Stats, RX: d.info.RX.Stats})
}

func (d *daemon) answer(w http.ResponseWriter, v any) {
	if d.mood == "garbage" {
		w.Write([]byte("<html>"))
		return
	}
	json.NewEncoder(w).Encode(v)
}

func (d *daemon) refuse(w http.ResponseWriter, err *wire.Error) {
	w.WriteHeader(err.Status())
	json.NewEncoder(w).Encode(err)
}

// idleInfo is a device without a slave, as a daemon starts.
func idleInfo() wire.Info {
	direction := func() wire.Direction {
		dropped := make(map[string]wire.Count)
		for _, reason := range wire.DropReasons() {
			dropped[reason] = wire.Count{}
		}
		return wire.Direction{Policy: "pass", Stats: wire.Stats{Dropped: dropped}}
	}
	info := wire.Info{
		Name: "insane", SlaveState: wire.SlaveNone, MTU: 1500,
		Receive: wire.ReceiveAuto, Path: wire.PathRelay, PathReason: "the only one",
		Seed: 42, TX: direction(), RX: direction(),
	}
	info.Takes = takesOf(info)
	return info
}

// takesOf is what a device takes that has one address and one host to reach.
func takesOf(info wire.Info) wire.Takes {
	takes := wire.Takes{To: []string{}, From: []string{}}
	switch {
	case info.Receive == wire.ReceiveNone:
	case info.SlaveState == wire.SlaveNone:
		takes.Idle = "there is no slave"
	case info.Receive == wire.ReceiveAuto:
		takes.To, takes.From = append(takes.To, "10.9.0.1"), append(takes.From, "10.9.0.2")
	}
	return takes
}

// busyInfo is a device that has done something.
func busyInfo() wire.Info {
	info := idleInfo()
	info.Slave, info.SlaveState, info.Carrier = "eth0", wire.SlaveUp, true
	info.Takes = takesOf(info)
	info.TX.Policy = "percent 60"
	info.TX.Verdicts = wire.Verdicts{Relay: 5987, Drop: 4013}
	info.TX.Stats.Offered = wire.Count{Packets: 10007, Bytes: 980686}
	info.TX.Stats.Relayed = wire.Count{Packets: 5987, Bytes: 586726}
	info.TX.Stats.Dropped[wire.DropPolicy] = wire.Count{Packets: 4013, Bytes: 393274}
	info.TX.Stats.Dropped[wire.DropNoSlave] = wire.Count{Packets: 7, Bytes: 686}
	info.TX.Stats.Overruns = 3
	info.RX.Verdicts = wire.Verdicts{Relay: 12}
	info.RX.Stats.Offered = wire.Count{Packets: 12, Bytes: 1176}
	info.RX.Stats.Relayed = wire.Count{Packets: 12, Bytes: 1176}
	return info
}
