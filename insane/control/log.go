package control

import (
	"bytes"
	"io"
	"net/http"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// confirm answers the requests of api.PathConfirm. Their body is empty, or an empty object.
func (s *server) confirm(w http.ResponseWriter, r *http.Request) {
	by, who, ok := s.permit(w, r)
	if !ok {
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, api.MaxBody))
	switch {
	case err != nil:
		err = explainRead(err)
	case len(bytes.TrimSpace(text)) > 0:
		_, err = decode[struct{}](bytes.NewReader(text))
	}
	if err != nil {
		refuse(w, err)
		return
	}
	after, err := s.device.Confirm(by)
	if err != nil {
		who.Warn("confirmation refused", "err", err)
		refuse(w, err)
		return
	}
	who.Info("confirmed")
	answer(w, after)
}

// log answers the requests of api.PathLog.
func (s *server) log(w http.ResponseWriter, r *http.Request) {
	from, err := readFrom(r.URL.RawQuery)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, s.device.Log(uint64(from)))
}
