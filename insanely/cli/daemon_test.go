package cli

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// daemon is a stand-in for the insane daemon: it keeps an Info, applies changes
// to it, and refuses the slaves and receive modes that have a refusal.
type daemon struct {
	server   *httptest.Server
	requests atomic.Int32 // of any kind
	mood     string       // "" answers, "garbage" answers nonsense

	mu       sync.Mutex
	info     api.Info
	rules    policy.Rules
	version  uint64                // of the rules
	asked    api.RulesChange       // the last change of the rules
	refusals map[string]*api.Error // by slave or receive mode; "any rule": of changes of the rules
}

func startDaemon(socket, mood string, info api.Info) (*daemon, error) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	d := &daemon{mood: mood, info: info, refusals: map[string]*api.Error{
		"nosuch": api.Errorf(api.ErrNoDevice, "slave", "slave %q: no such device", "nosuch"),
		"tun0":   api.Errorf(api.ErrWrongType, "slave", "slave %q: not Ethernet or loopback", "tun0"),
		"insane": api.Errorf(api.ErrLoop, "slave", "slave %q: is the device itself", "insane"),
		"secret": api.Errorf(api.ErrForbidden, "", "uid 65534 may not change this device"),
		"broken": api.Errorf(api.ErrInternal, "", "attach slave %q:\nno buffer space", "broken"),
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.PathInfo, d.get)
	mux.HandleFunc("PUT "+api.PathInfo, d.put)
	mux.HandleFunc("GET "+api.PathStats, d.stats)
	mux.HandleFunc("GET "+api.PathRecord, d.record)
	mux.HandleFunc("PUT "+api.PathReplay, d.replay)
	mux.HandleFunc("GET "+api.PathRules, d.getRules)
	mux.HandleFunc("POST "+api.PathRules, d.postRules)
	mux.HandleFunc("GET "+api.PathRulesFile, d.rulesFile)
	mux.HandleFunc("PUT "+api.PathRulesFile, d.putRules)
	mux.HandleFunc("POST "+api.PathConfirm, d.confirm)
	mux.HandleFunc("GET "+api.PathLog, d.log)
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
	var change api.Change
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
		d.refuse(w, api.Errorf(api.ErrInvalid, "", "decode change: %v", err))
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

// changed returns the state after a change, or why there cannot be such a change.
func (d *daemon) changed(change api.Change) (api.Info, *api.Error) {
	info := d.info
	if change.Slave != nil {
		info.Slave, info.SlaveState = *change.Slave, api.SlaveUp
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
	if info.Receive == api.ReceiveNone && info.RX.Policy != "pass" {
		return info, api.Errorf(api.ErrInvalid, "rx",
			"rx: %q: with receive none nothing that arrives is the device's to fault", info.RX.Policy)
	}
	if change.Seed != nil {
		info.Seed = *change.Seed
	}
	info.Leases = leasesOf(d.info, change)
	info.Takes = takesOf(info)
	return info, nil
}

// stats moves on by a few packets each time, as a busy device does.
func (d *daemon) stats(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.info.TX.Stats.Offered.Packets += 10
	d.info.TX.Stats.Relayed.Packets += 10
	d.answer(w, api.DeviceStats{TX: d.info.TX.Stats, RX: d.info.RX.Stats})
}

func (d *daemon) answer(w http.ResponseWriter, v any) {
	if d.mood == "garbage" {
		w.Write([]byte("<html>"))
		return
	}
	json.NewEncoder(w).Encode(v)
}

func (d *daemon) refuse(w http.ResponseWriter, err *api.Error) {
	w.WriteHeader(err.Status())
	json.NewEncoder(w).Encode(err)
}

// idleInfo is a device without a slave, as a daemon starts.
func idleInfo() api.Info {
	direction := func() api.Direction {
		dropped := make(map[string]api.Count)
		for _, reason := range api.DropReasons() {
			dropped[reason] = api.Count{}
		}
		return api.Direction{Policy: "pass", Stats: api.Stats{Dropped: dropped}}
	}
	info := api.Info{
		Name: "insane", SlaveState: api.SlaveNone, MTU: 1500,
		Receive: api.ReceiveAuto, Path: api.PathRelay, PathReason: "the only one",
		Seed: 42, TX: direction(), RX: direction(),
	}
	info.Takes = takesOf(info)
	return info
}

// takesOf returns the frames that a device takes that has one address and one host to reach.
func takesOf(info api.Info) api.Takes {
	takes := api.Takes{To: []string{}, From: []string{}}
	switch {
	case info.Receive == api.ReceiveNone:
	case info.SlaveState == api.SlaveNone:
		takes.Idle = "there is no slave"
	case info.Receive == api.ReceiveAuto:
		takes.To, takes.From = append(takes.To, "10.9.0.1"), append(takes.From, "10.9.0.2")
	}
	return takes
}

// busyInfo is a device that has done something.
func busyInfo() api.Info {
	info := idleInfo()
	info.Slave, info.SlaveState, info.Carrier = "eth0", api.SlaveUp, true
	info.Takes = takesOf(info)
	info.TX.Policy = "percent 60"
	info.TX.Verdicts = api.Verdicts{Relay: 5987, Drop: 4013}
	info.TX.Stats.Offered = api.Count{Packets: 10007, Bytes: 980686}
	info.TX.Stats.Relayed = api.Count{Packets: 5987, Bytes: 586726}
	info.TX.Stats.Dropped[api.DropPolicy] = api.Count{Packets: 4013, Bytes: 393274}
	info.TX.Stats.Dropped[api.DropNoSlave] = api.Count{Packets: 7, Bytes: 686}
	info.TX.Stats.Overruns = 3
	info.RX.Verdicts = api.Verdicts{Relay: 12}
	info.RX.Stats.Offered = api.Count{Packets: 12, Bytes: 1176}
	info.RX.Stats.Relayed = api.Count{Packets: 12, Bytes: 1176}
	return info
}
