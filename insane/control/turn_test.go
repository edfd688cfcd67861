package control

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// Those who may make changes do not wait for a turn; the others do, until their peer is gone.
func TestTurnsAreForReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(newFake(), Options{Name: "insane"})
		s.turns <- struct{}{} // taken for ever
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			if w := ask(s, root, method, api.PathInfo, "{}"); w.Code != http.StatusOK {
				t.Errorf("%s of root: status %d", method, w.Code)
			}
		}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), peerKey{}, nobody))
		served := make(chan *httptest.ResponseRecorder)
		go func() {
			w := httptest.NewRecorder()
			s.handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, api.PathInfo, nil))
			served <- w
		}()
		synctest.Wait()
		select {
		case w := <-served:
			t.Errorf("nobody did not wait: status %d", w.Code)
		default:
		}
		cancel()
		if w := <-served; w.Body.Len() != 0 {
			t.Errorf("an answer without a turn: %s", w.Body)
		}
	})
}

// slow is a peer that takes no answer until it is closed.
type slow struct {
	*httptest.ResponseRecorder
	room chan struct{}
}

func (s *slow) Write(p []byte) (int, error) {
	<-s.room
	return s.ResponseRecorder.Write(p)
}

// A peer that is slow to take its answer keeps nobody waiting. The answer is the one that
// the handler made.
func TestTurnsEndBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(newFake(), Options{Name: "insane"})
		peer := &slow{httptest.NewRecorder(), make(chan struct{})}
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, nobody), http.MethodGet, "/nothing", nil)
		go s.handler().ServeHTTP(peer, r)
		synctest.Wait()
		w := ask(s, nobody, http.MethodGet, api.PathStats, "")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Body.Len() == 0 {
			t.Errorf("status %d, %v, %d bytes", w.Code, w.Header(), w.Body.Len())
		}
		close(peer.room)
		synctest.Wait()
		if peer.Code != http.StatusNotFound || peer.Body.Len() == 0 {
			t.Errorf("the slow peer got status %d, %d bytes", peer.Code, peer.Body.Len())
		}
	})
}
