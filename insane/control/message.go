package control

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// decode reads exactly one Change. Every error is an *api.Error of one line; it names the
// member at fault, if there is one.
func decode(body io.Reader) (api.Change, error) {
	var c api.Change
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	err := dec.Decode(&c)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("more than one JSON value")
		}
	}
	var tooLarge *http.MaxBytesError
	var badType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return c, nil
	case errors.As(err, &tooLarge):
		return c, api.Errorf(api.ErrTooLarge, "", "body: larger than %d bytes", api.MaxBody)
	case errors.As(err, &badType) && badType.Field != "":
		return c, api.Errorf(api.ErrInvalid, badType.Field, "%s: %s: want %s", badType.Field, badType.Value, badType.Type)
	case errors.Is(err, io.EOF):
		return c, api.Errorf(api.ErrInvalid, "", "body: empty: want a JSON object")
	}
	return c, api.Errorf(api.ErrInvalid, "", "body: %s", strings.TrimPrefix(err.Error(), "json: "))
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // fails only if the peer has closed the connection
}

// refuse writes an error as the answer. An error that is not an *api.Error is answered as
// an internal error.
func refuse(w http.ResponseWriter, err error) {
	var e *api.Error
	if !errors.As(err, &e) {
		e = api.Errorf(api.ErrInternal, "", "%v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status())
	json.NewEncoder(w).Encode(e)
}

func refuseMethod(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	refuse(w, api.Errorf(api.ErrMethod, "", "%s %s: want %s", r.Method, r.URL.Path, allow))
}

// checkNamespace returns an error if a request names links of another network namespace than
// the device's. asked is the value of api.HeaderNamespace; "" is right everywhere.
func checkNamespace(asked string, i api.Info) error {
	if asked == "" || i.Namespace == "" || asked == i.Namespace {
		return nil
	}
	return api.Errorf(api.ErrNamespace, "namespace",
		"namespace: %q: the device %s is in another network namespace, %s; nothing was changed", asked, i.Name, i.Namespace)
}
