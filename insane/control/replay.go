package control

import (
	"errors"
	"io"
	"net/http"

	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// replay begins the replay of a recording. It makes changes, so it is for those who may.
func (s *server) replay(w http.ResponseWriter, r *http.Request) {
	by, who, ok := s.permit(w, r)
	if !ok {
		return
	}
	table, err := readReplay(http.MaxBytesReader(w, r.Body, api.MaxReplay))
	if err == nil {
		err = checkNamespace(r.Header.Get(api.HeaderNamespace), s.device.State())
	}
	if err != nil {
		refuse(w, err)
		return
	}
	before, after, err := s.device.Replay(table, by)
	if err != nil {
		who.Warn("replay refused", "err", err)
		refuse(w, err)
		return
	}
	args := append(transitions(before, after), "rules", transition(before.Rules, after.Rules))
	if p := after.Replay; p != nil {
		args = append(args, "name", p.Name, "flows", p.Flows, "packets", p.Packets)
	}
	who.Info("replay begins", args...)
	answer(w, after)
}

// readReplay reads a recording. The error is an *api.Error of one line.
func readReplay(body io.Reader) (*replay.Table, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, explainRead(err)
	}
	table, err := replay.Parse(text)
	switch {
	case err == nil:
		return table, nil
	case errors.Is(err, replay.ErrLimit):
		return nil, api.Errorf(api.ErrTooLarge, "replay", "replay: %v", err)
	}
	return nil, api.Errorf(api.ErrInvalid, "replay", "replay: %v", err)
}
