package control

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// recordingOf is a recording of one entry, of which one more is missing. It has ended.
func recordingOf(t *testing.T, closed *int) *Recording {
	t.Helper()
	tx := ledger.NewRecorder(policy.TX, ledger.Filter{}, 200)
	for range 2 {
		tx.Entry(&ledger.Entry{Kind: ledger.Left, Number: 7, Length: 100, Bytes: make([]byte, 100)})
	}
	ended := make(chan struct{})
	close(ended)
	return &Recording{
		Header: ledger.Header{Device: "insane"}, Recorders: []*ledger.Recorder{tx, ledger.NewRecorder(policy.RX, ledger.Filter{}, 1)},
		Ended: ended, Close: func() { *closed++ },
	}
}

// A recording is sent up to the end of the device, which says how much is missing.
func TestRecord(t *testing.T) {
	d, closed := newFake(), 0
	d.recording = recordingOf(t, &closed)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), peerKey{}, host.Peer{UID: uint32(os.Geteuid())})
		newServer(d, Options{Name: "insane"}).handler().ServeHTTP(w, r.WithContext(ctx))
	}))
	defer s.Close()
	resp, err := http.Get(s.URL + api.PathRecord + "?lost=1&rule=dns&snaplen=96")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := ledger.NewStream(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if next, err := stream.Next(); err != nil || next.(*ledger.Entry).Number != 7 {
		t.Error(next, err)
	}
	next, err := stream.Next()
	want := &ledger.End{Why: "the device ends", Missed: []ledger.Missed{{Direction: policy.TX, Entries: 1}}}
	if diff := cmp.Diff(want, next); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if want := (ledger.Filter{Lost: true, Rule: "dns", Snaplen: 96}); d.filter != want || closed != 1 {
		t.Errorf("asked for %+v, closed %d times", d.filter, closed)
	}
}

// Only who may make changes may record, and a request that makes no sense records nothing.
func TestRecordRefused(t *testing.T) {
	d := newFake()
	d.err = api.ErrBusy
	s := newServer(d, Options{Name: "insane"})
	root, other := host.Peer{}, host.Peer{UID: 12345, GID: 12345}
	for _, c := range []struct {
		peer          host.Peer
		method, query string
		want          *api.Error
	}{
		{other, "GET", "", api.ErrForbidden},
		{root, "POST", "", api.ErrMethod},
		{root, "HEAD", "", api.ErrMethod},
		{root, "GET", "?lost=maybe", api.ErrInvalid},
		{root, "GET", "?snaplen=-1", api.ErrInvalid},
		{root, "GET", "?snaplen=99999999999", api.ErrInvalid},
		{root, "GET", "?rule=a&rule=b", api.ErrInvalid},
		{root, "GET", "?colour=red", api.ErrInvalid},
		{root, "GET", "?rule=%zz", api.ErrInvalid},
		{root, "GET", "", api.ErrBusy},
	} {
		got := ask(s, c.peer, c.method, api.PathRecord+c.query, "")
		if got.Code != c.want.Status() {
			t.Errorf("%s %s: status %d: %s", c.method, c.query, got.Code, got.Body)
		}
	}
}

// Nobody waits for a recording that goes on for longer than the limit, and none begins any more.
func TestStreams(t *testing.T) {
	var s streams
	if !s.begin() {
		t.Fatal("the first recording may not begin")
	}
	s.wait(1)
	if s.begin() {
		t.Error("a recording has begun behind the end")
	}
	s.end()
	<-s.last
}
