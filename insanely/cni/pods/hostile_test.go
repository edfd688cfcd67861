package pods

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insanely/cni/pods/podstest"
)

func answer(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { podstest.Refuse(w, code) }
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

// endless sends a beginning, and then the same until the other end has enough. It counts the bytes.
func endless(begin, more string, sent *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, begin)
		chunk := strings.Repeat(more, 64<<10/len(more))
		for {
			n, err := io.WriteString(w, chunk)
			sent.Add(int64(n))
			if err != nil || sent.Load() > 1<<30 {
				return
			}
		}
	}
}

// slow sends a text byte by byte, and then nothing, for as long as somebody reads.
func slow(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out := http.NewResponseController(w)
		for i := range text {
			fmt.Fprint(w, text[i:i+1])
			_ = out.Flush()
		}
		<-r.Context().Done()
	}
}

// broken breaks the connection in the middle of a chunk.
func broken(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(text)+100, text)
	}
}

const (
	pod   = `{"metadata":{"namespace":"default","name":"bad","annotations":{"insane/policy":"x"}},"status":{"podIP":"10.0.0.1"}}`
	event = `{"type":"ADDED","object":` + pod + `}`
)

// The lists and watches that no API server should send. After each, the pods are listed anew, and
// followed.
var (
	badLists = map[string]string{
		"empty":           ``,
		"garbage":         "\x00\xff\x1b[2J<html>",
		"array":           `[]`,
		"null":            `null`,
		"no version":      `{"items":[` + pod + `]}`,
		"number version":  `{"metadata":{"resourceVersion":7},"items":[]}`,
		"items object":    `{"metadata":{"resourceVersion":"7"},"items":{}}`,
		"items text":      `{"metadata":{"resourceVersion":"7"},"items":"[]"}`,
		"pod number":      `{"metadata":{"resourceVersion":"7"},"items":[7]}`,
		"half":            `{"metadata":{"resourceVersion":"7"},"items":[` + pod + `,`,
		"half after item": `{"metadata":{"resourceVersion":"7"},"items":[` + pod + `]`,
		"annotations":     `{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"annotations":{"insane/policy":7}}}]}`,
		"deep":            `{"metadata":{"resourceVersion":"7"},"other":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
		"status":          podstest.Status(500),
	}
	badWatches = map[string]string{
		"garbage":        "\x00\xff\x1b[2J<html>",
		"unknown type":   `{"type":"WHATEVER","object":` + pod + `}`,
		"no type":        `{}`,
		"array":          `[]`,
		"object number":  `{"type":"ADDED","object":7}`,
		"object absent":  `{"type":"ADDED"}`,
		"version number": `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":7}}}`,
		"half":           event + event[:40],
		"error":          `{"type":"ERROR","object":` + podstest.Status(500) + `}`,
		"error number":   `{"type":"ERROR","object":7}`,
	}
)

// recovers fails unless a follower that meets answers of another kind follows the pods after that. In
// place: 0 of a list, 1 of a watch.
func recovers(t *testing.T, place int, bad http.HandlerFunc, set func(*Node)) (log string) {
	t.Helper()
	s := podstest.New(t)
	s.Put(podstest.Pod("one", "insane/policy", "a"))
	f := start(t, s)
	if set != nil {
		set(f.node)
	}
	good := func(w http.ResponseWriter, _ *http.Request) { s.List(w) }
	s.Instead([]http.HandlerFunc{good, good}[:place]...)
	s.Instead(bad)
	f.run(t)
	for range place + 1 {
		f.await(t, "one a+")
	}
	s.Put(podstest.Pod("one", "insane/policy", "b"))
	f.await(t, "one b+")
	if lists, _ := watches(s); lists < 2 {
		t.Errorf("%d lists, want another one after that", lists)
	}
	return f.log.String()
}

func TestBadLists(t *testing.T) {
	t.Parallel()
	for name, text := range badLists {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if log := recovers(t, 0, say(text), nil); strings.Count(log, "begins anew") != 1 || strings.Contains(log, "\x1b") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

func TestBadWatches(t *testing.T) {
	t.Parallel()
	for name, text := range badWatches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if log := recovers(t, 1, say(text), nil); strings.Count(log, "begins anew") != 1 || strings.Contains(log, "\x1b") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// A connection that breaks, a refusal, and an answer that takes for ever are met again after a pause.
func TestBadConnections(t *testing.T) {
	t.Parallel()
	brief := func(n *Node) { n.listTime, n.watchTime, n.grace = time.Second, time.Second, 0 }
	for place, kind := range []string{"list", "watch"} {
		for name, tt := range map[string]struct {
			bad http.HandlerFunc
			set func(*Node)
		}{
			"401":       {answer(401), nil},
			"403":       {answer(403), nil},
			"429":       {answer(429), nil},
			"500":       {answer(500), nil},
			"500 text":  {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "\x1b[2J", 500) }, nil},
			"broken":    {broken(`{"metadata":{"resourceVersion":"7"},`), nil},
			"slow":      {slow(`{"metadata":{"resourceVersion":"7"},`), brief},
			"no answer": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, brief},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				recovers(t, place, tt.bad, tt.set)
			})
		}
	}
}

// A watch that ends at once is no watch: the pods are listed anew, or the API server would be asked
// again and again.
func TestShortWatch(t *testing.T) {
	t.Parallel()
	log := recovers(t, 1, say(""), func(n *Node) { n.shortest = time.Hour })
	if !strings.Contains(log, "ends a watch at once") {
		t.Errorf("log:\n%s", log)
	}
}

// Of what has no end, a bounded part is read.
func TestEndless(t *testing.T) {
	t.Parallel()
	const most = maxObject + 16<<20 // and what is in the buffers of sockets
	for name, tt := range map[string]struct {
		place       int
		begin, more string
	}{
		"name of a member":  {0, `{"`, "x"},
		"other member":      {0, `{"other":"`, "x"},
		"annotation":        {0, `{"items":[{"metadata":{"annotations":{"insane/policy":"`, "x"},
		"white space":       {0, `{`, " "},
		"brackets":          {0, `{"other":`, "["},
		"annotation, event": {1, event + `{"type":"ADDED","object":{"metadata":{"annotations":{"x":"`, "x"},
		"white space after": {1, event, "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			recovers(t, tt.place, endless(tt.begin, tt.more, &sent), nil)
			if sent.Load() > most {
				t.Errorf("%d bytes are taken", sent.Load())
			}
		})
	}
}

// A long list needs the memory of one pod: 32 MB of pods do not make the heap grow by so much.
func TestLongList(t *testing.T) {
	item := `{"metadata":{"namespace":"default","name":"one","annotations":{"x":"` + strings.Repeat("x", 1<<20) + `"}}}`
	text := io.MultiReader(
		strings.NewReader(`{"metadata":{"resourceVersion":"7"},"items":[`),
		strings.NewReader(strings.Repeat(item+",", 31)+item),
		strings.NewReader(`]}`))
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	pods, most := 0, uint64(0)
	version, err := readList(text, func(Pod) {
		pods++
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
	})
	if err != nil || version != "7" || pods != 32 {
		t.Errorf("%d pods, version %s, %v", pods, version, err)
	}
	if most > before.HeapAlloc+8<<20 {
		t.Errorf("the heap grows from %d to %d bytes", before.HeapAlloc, most)
	}
}

// foreign returns the certificate of another authority.
func foreign(t *testing.T) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, &template, &template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// The token goes to the API server only: not where it redirects to, and not to one that the
// authority of the cluster does not know.
func TestTokenStays(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(other.Close)
	recovers(t, 0, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}, nil)
	s := podstest.New(t)
	f := start(t, s)
	if err := os.WriteFile(filepath.Join(s.Account, "ca.crt"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.node.list(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("a file without a certificate: %v", err)
	}
	if err := os.WriteFile(filepath.Join(s.Account, "ca.crt"), foreign(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.node.list(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("a foreign server: %v", err)
	}
	if requests, _ := s.Requests(); asked.Load() > 0 || len(requests) > 0 {
		t.Errorf("%d requests went elsewhere, %d to a server that is not known", asked.Load(), len(requests))
	}
}
