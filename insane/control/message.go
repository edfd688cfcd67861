package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// decode reads exactly one object: an api.Change or an api.RulesChange. Every error is an
// *api.Error of one line; it names the member at fault, if there is one, and its value.
func decode[T any](body io.Reader) (c T, err error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return c, explainRead(err)
	}
	err = unmarshal(text, &c)
	var badType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return c, nil
	case errors.As(err, &badType) && badType.Field != "":
		return c, api.Errorf(api.ErrInvalid, badType.Field, "%s: %s: want %s",
			badType.Field, valueOf(text, badType), wanted[badType.Type.Kind()])
	case errors.As(err, &badType):
		return c, api.Errorf(api.ErrInvalid, "", "body: %s: want a JSON object", badType.Value)
	case errors.Is(err, io.EOF):
		return c, api.Errorf(api.ErrInvalid, "", "body: empty: want a JSON object")
	}
	return c, api.Errorf(api.ErrInvalid, "", "body: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// explainRead returns the *api.Error for a body that cannot be read.
func explainRead(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return api.Errorf(api.ErrTooLarge, "", "body: larger than %d bytes", tooLarge.Limit)
	}
	return api.Errorf(api.ErrInvalid, "", "body: %s", err)
}

// unmarshal reads one JSON value and refuses what is unknown in it, or follows it.
func unmarshal(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, more := dec.Token(); more != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

// wanted says which JSON values a member of a Go type takes.
var wanted = map[reflect.Kind]string{
	reflect.String: "text in quotes",
	reflect.Uint64: "a whole number from 0 to 2^64-1, without quotes",
	reflect.Bool:   "true or false",
}

// valueOf returns the value of the member at fault as it was sent. Of a long one, a list, an
// object, and if the member is spelled otherwise, it returns the kind of value.
func valueOf(text []byte, fault *json.UnmarshalTypeError) string {
	const longest = 40 // bytes
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) == nil {
		if value := members[fault.Field]; len(value) > 0 && len(value) <= longest && value[0] != '[' && value[0] != '{' {
			return api.ShowText(string(value))
		}
	}
	return fault.Value
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
// the device's and of the one in which its daemon was started. asked is the value of api.HeaderNamespace; "" is right everywhere.
func checkNamespace(asked string, i api.Info) error {
	if asked == "" || i.Namespace == "" || asked == i.Namespace || asked == i.Outside {
		return nil
	}
	return api.Errorf(api.ErrNamespace, "namespace",
		"namespace: %q: the device %s is in another network namespace, %s; nothing was changed", asked, i.Name, i.Namespace)
}
