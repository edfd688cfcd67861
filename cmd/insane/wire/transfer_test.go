package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestCurlTransfers: curl downloads and uploads a file through a device with losses, and
// the file is the same at both ends.
func TestCurlTransfers(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "curl")
	b := testbed.New(t)
	file := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{3}).Read(file) // never fails
	url := serve(t, b, file)
	b.Begin(t, "percent 99", 5)
	t.Run("get", func(t *testing.T) {
		if got := curl(t, b, nil, url); !bytes.Equal(got, file) {
			t.Errorf("got %d bytes with the hash %s, want %d with %s", len(got), hash(got), len(file), hash(file))
		}
	})
	t.Run("put", func(t *testing.T) {
		if got := curl(t, b, file, "-T", "-", url); string(got) != hash(file) {
			t.Errorf("what the server got has the hash %s, what was sent %s", got, hash(file))
		}
	})
	s := b.Stats(t)
	labtest.CheckCounters(t, s)
	if s.Dropped[api.DropPolicy].Packets == 0 {
		t.Error("nothing was lost: no test")
	}
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// serve starts a web server in morgana. It returns a file for GET, and the hash of the
// uploaded file for PUT.
func serve(t testing.TB, b *testbed.Bed, file []byte) (url string) {
	t.Helper()
	l := testbed.ListenTCP(t, b.Morgana, b.Morgana.IPv4)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			_, _ = w.Write(file)
			return
		}
		got, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("receive: %v", err)
		}
		fmt.Fprint(w, hash(got))
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return fmt.Sprintf("http://%s/file", l.Addr())
}

func curl(t testing.TB, b *testbed.Bed, stdin []byte, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*testbed.Longest)
	defer cancel()
	c := b.Borea.Command(ctx, "curl", append([]string{"--silent", "--show-error", "--fail", "--noproxy", "*"}, args...)...)
	c.Stdin = bytes.NewReader(stdin)
	complaint := new(testbed.Transcript)
	c.Stderr = complaint
	out, err := c.Output()
	if err != nil {
		t.Fatalf("curl: %v\n%s", err, complaint)
	}
	return out
}

// TestIperfMeasures: iperf3 measures the loss that the device was asked for.
func TestIperfMeasures(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "iperf3")
	b := testbed.New(t)
	t.Run("TCP", func(t *testing.T) {
		b.Begin(t, "percent 99", 6)
		report := iperf(t, b, nil, "-n", "32M")
		if report.End.SumSent.Retransmits == 0 {
			t.Error("nothing was sent again")
		}
		if got := report.End.SumReceived.Bytes; got == 0 {
			t.Error("nothing was received")
		}
	})
	t.Run("UDP", func(t *testing.T) {
		before := b.Stats(t)
		var verdicts api.Verdicts
		report := iperf(t, b, func() { verdicts = whileItFlows(t, b) }, "-u", "-b", "20M", "-l", "1000", "-t", "3")
		lost := b.Stats(t).Dropped[api.DropPolicy].Packets - before.Dropped[api.DropPolicy].Packets
		if lost == 0 {
			t.Error("the policy dropped nothing")
		}
		// On a busy machine the server's small socket may drop further packets, and iperf3
		// does not notice the last of them.
		overflowed := b.Counter(t, b.Morgana, "snmp", "Udp:RcvbufErrors")
		if got := uint64(report.End.Sum.LostPackets); got < lost || got > lost+overflowed {
			t.Errorf("iperf3 lost %d packets, the policy dropped %d and the receiving socket %d", got, lost, overflowed)
		}
		if n := b.Stats(t).Overruns - before.Overruns; n != 0 {
			t.Errorf("%d overruns", n)
		}
		testbed.CheckRate(t, int(verdicts.Relay+verdicts.Drop), int(verdicts.Relay), "80")
	})
}

// whileItFlows sets a policy in the middle of a stream and resets it before the end,
// because iperf3 cannot handle the loss of its first packets.
func whileItFlows(t testing.TB, b *testbed.Bed) api.Verdicts {
	t.Helper()
	const judged = 2000 // packets
	pass, some, seed := "pass", "percent 80", uint64(80)
	labtest.Set(t, b.Daemon, api.Change{TX: &pass})
	begin := b.Stats(t).Offered.Packets
	b.AwaitState(t, func(i api.Info) bool { return i.TX.Stats.Offered.Packets > begin+500 })
	labtest.Set(t, b.Daemon, api.Change{TX: &some, Seed: &seed})
	verdicts := b.AwaitState(t, func(i api.Info) bool {
		return i.TX.Policy == some && i.TX.Verdicts.Relay+i.TX.Verdicts.Drop >= judged
	}).TX.Verdicts
	labtest.Set(t, b.Daemon, api.Change{TX: &pass})
	return verdicts
}

// iperfReport has the fields of the report of iperf3 --json that the test uses.
type iperfReport struct {
	Error string
	End   struct {
		SumSent     struct{ Retransmits int } `json:"sum_sent"`
		SumReceived struct{ Bytes int64 }     `json:"sum_received"`
		Sum         struct {
			LostPackets int `json:"lost_packets"`
			Packets     int
		}
	}
}

// iperf runs one test from borea to morgana, and meanwhile beside it.
func iperf(t testing.TB, b *testbed.Bed, meanwhile func(), args ...string) (report iperfReport) {
	t.Helper()
	pass := "pass"
	_, server := testbed.Background(t, b.Morgana, "iperf3", "-s", "-1", "--forceflush")
	server.Await(t, "the server", func(text string) bool { return strings.Contains(text, "Server listening") })
	client, out := testbed.Background(t, b.Borea, "iperf3", append([]string{"-c", b.Morgana.IPv4.String(), "--json"}, args...)...)
	if meanwhile != nil {
		meanwhile()
	}
	err := client.Wait()
	labtest.Set(t, b.Daemon, api.Change{TX: &pass})
	if jsonErr := json.Unmarshal([]byte(out.String()), &report); err != nil || jsonErr != nil || report.Error != "" {
		t.Fatalf("iperf3: %v, %v\n%s", err, jsonErr, out)
	}
	return report
}
