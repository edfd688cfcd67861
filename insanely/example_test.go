package insanely_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Lose one packet in five of what this host sends through the device, and look what
// came of it.
func Example() {
	ctx := context.Background()
	client := insanely.Dial(api.SocketPath("insane")) // or what insane --socket was given
	defer client.Close()

	slave, policy := "eth0", "percent 80"
	if _, err := client.Set(ctx, api.Change{Slave: &slave, TX: &policy}); err != nil {
		log.Fatal(err)
	}
	// Here goes what is to be tested.
	stats, err := client.Stats(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.TX.Dropped[api.DropPolicy].Packets, "packets of", stats.TX.Offered.Packets, "were lost")
}

func ExampleClient_Info() {
	client, stop := exampleDaemon()
	defer stop()

	info, err := client.Info(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s stands in front of %s, which is %s\n", info.Name, info.Slave, info.SlaveState)
	fmt.Println("tx:", info.TX.Policy)
	fmt.Println("rx:", info.RX.Policy)
	// Output:
	// insane stands in front of eth0, which is up
	// tx: percent 60
	// rx: pass
}

// A change says only what is to be different.
func ExampleClient_Set() {
	client, stop := exampleDaemon()
	defer stop()

	policy, seed := "percent 80", uint64(7)
	info, err := client.Set(context.Background(), api.Change{RX: &policy, Seed: &seed})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("tx:", info.TX.Policy)
	fmt.Println("rx:", info.RX.Policy)
	fmt.Println("seed:", info.Seed)
	// Output:
	// tx: percent 60
	// rx: percent 80
	// seed: 7
}

// A refused change has changed nothing. Its error says what was wrong.
func ExampleClient_Set_refused() {
	client, stop := exampleDaemon()
	defer stop()

	slave := "eth1"
	_, err := client.Set(context.Background(), api.Change{Slave: &slave})
	if refused, ok := errors.AsType[*api.Error](err); ok {
		fmt.Println(refused.Code, "in", refused.Field)
	}
	fmt.Println("no such link:", errors.Is(err, api.ErrNoDevice))
	fmt.Println(err)
	// Output:
	// no-device in slave
	// no such link: true
	// slave: "eth1": no such device
}

// A daemon that was just started needs some time until it answers.
func ExampleClient_Wait() {
	client, stop := exampleDaemon()
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	info, err := client.Wait(ctx)
	if errors.Is(err, insanely.ErrNoDaemon) {
		log.Fatal("it did not start in time: ", err)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Name, "is there")
	// Output:
	// insane is there
}

// How many packets did a test lose, and how many did it ask to lose?
func ExampleClient_Stats() {
	client, stop := exampleDaemon()
	defer stop()

	stats, err := client.Stats(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	var dropped uint64
	for _, count := range stats.TX.Dropped {
		dropped += count.Packets
	}
	fmt.Println("offered:", stats.TX.Offered.Packets)
	fmt.Println("relayed:", stats.TX.Relayed.Packets)
	fmt.Println("dropped:", dropped)
	fmt.Println("by the policy:", stats.TX.Dropped[api.DropPolicy].Packets)
	// Output:
	// offered: 205
	// relayed: 121
	// dropped: 84
	// by the policy: 83
}

// Only DNS is slow. The first rule that fits judges a packet, so a rule is put in front of
// those that would take its packets away.
func ExampleClient_ChangeRules() {
	client, stop := exampleDaemon()
	defer stop()

	add := "dns udp port 53 both delay 200ms"
	changed, err := client.ChangeRules(context.Background(), api.RulesChange{Add: &add})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("rules:", changed.Total)

	rules, err := client.Rules(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, rule := range rules {
		fmt.Println(rule.Name, "of", rule.Match, "relayed", rule.TX.Stats.Relayed.Packets, "of", rule.TX.Stats.Offered.Packets)
	}
	// Output:
	// rules: 1
	// dns of udp port 53 relayed 17 of 20
	// default of any relayed 121 of 205
}

// Without a daemon the error says so, and where it was looked for.
func ExampleDial() {
	client := insanely.Dial("/nowhere/insane.sock")
	defer client.Close()

	_, err := client.Info(context.Background())
	fmt.Println(errors.Is(err, insanely.ErrNoDaemon))
	fmt.Println(err)
	// Output:
	// true
	// no daemon: /nowhere/insane.sock does not exist
}

// exampleDaemon is a client of something that answers as a daemon does whose device
// stands in front of eth0, the only link there is.
func exampleDaemon() (client *insanely.Client, stop func()) {
	info := api.Info{Name: "insane", Slave: "eth0", SlaveState: api.SlaveUp, Seed: 2000}
	info.TX.Policy, info.RX.Policy = "percent 60", "pass"
	stats := api.DeviceStats{
		TX: api.Stats{
			Offered: api.Count{Packets: 205}, Relayed: api.Count{Packets: 121},
			Dropped: map[string]api.Count{api.DropPolicy: {Packets: 83}, api.DropSlaveBusy: {Packets: 1}},
		},
		RX: api.Stats{Dropped: map[string]api.Count{}},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.PathInfo, func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(info) })
	mux.HandleFunc("GET "+api.PathStats, func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(stats) })
	mux.HandleFunc("PUT "+api.PathInfo, func(w http.ResponseWriter, r *http.Request) {
		var change api.Change
		json.NewDecoder(r.Body).Decode(&change)
		if change.Slave != nil && *change.Slave != info.Slave {
			refused := api.Errorf(api.ErrNoDevice, "slave", "slave: %q: no such device", *change.Slave)
			w.WriteHeader(refused.Status())
			json.NewEncoder(w).Encode(refused)
			return
		}
		after := info
		if change.TX != nil {
			after.TX.Policy = *change.TX
		}
		if change.RX != nil {
			after.RX.Policy = *change.RX
		}
		if change.Seed != nil {
			after.Seed = *change.Seed
		}
		json.NewEncoder(w).Encode(after)
	})
	mux.HandleFunc("POST "+api.PathRules, func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(api.RulesChanged{Total: 1})
	})
	mux.HandleFunc("GET "+api.PathRules, func(w http.ResponseWriter, _ *http.Request) {
		dns := &api.RuleDirection{Policy: "delay 200ms", Stats: api.Stats{
			Offered: api.Count{Packets: 20}, Relayed: api.Count{Packets: 17}, Held: api.Count{Packets: 3}}}
		others := &api.RuleDirection{Policy: info.TX.Policy, Stats: stats.TX}
		json.NewEncoder(w).Encode(api.RulesPage{Total: 2, Rules: []api.Rule{
			{Name: "dns", Match: "udp port 53", TX: dns, RX: dns}, {Name: api.DefaultRule, Match: "any", TX: others, RX: others}}})
	})
	server := httptest.NewServer(mux)
	client = insanely.NewClient(func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", server.Listener.Addr().String())
	})
	return client, func() {
		client.Close()
		server.Close()
	}
}
