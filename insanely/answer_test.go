package insanely

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insanely/api"
)

func TestRefusals(t *testing.T) {
	kinds := []*api.Error{
		api.ErrInvalid, api.ErrForbidden, api.ErrNotFound, api.ErrMethod, api.ErrNoDevice,
		api.ErrWrongType, api.ErrLoop, api.ErrNoReceive, api.ErrTooLarge, api.ErrInternal,
	}
	for _, kind := range kinds {
		for name, call := range calls {
			t.Run(kind.Code+"/"+name, func(t *testing.T) {
				said := api.Errorf(kind, "slave", "slave %q: no", "eth9")
				body, _ := json.Marshal(said)
				err := call(t.Context(), dialFake(t, answer(said.Status(), string(body))))
				for _, other := range kinds {
					if got, want := errors.Is(err, other), other == kind; got != want {
						t.Errorf("%v is %s: %t, want %t", err, other.Code, got, want)
					}
				}
				var got *api.Error
				if !errors.As(err, &got) || *got != *said {
					t.Errorf("error is %#v, want %#v", err, said)
				}
			})
		}
	}
}

// A client in another language goes by the status.
func TestStatusOfRefusals(t *testing.T) {
	for status, kinds := range map[int][]*api.Error{
		http.StatusBadRequest:            {api.ErrInvalid},
		http.StatusForbidden:             {api.ErrForbidden},
		http.StatusNotFound:              {api.ErrNotFound},
		http.StatusMethodNotAllowed:      {api.ErrMethod},
		http.StatusRequestEntityTooLarge: {api.ErrTooLarge},
		http.StatusUnprocessableEntity:   {api.ErrNoDevice, api.ErrWrongType, api.ErrLoop, api.ErrNoReceive},
		http.StatusInternalServerError:   {api.ErrInternal},
	} {
		for _, kind := range kinds {
			if got := kind.Status(); got != status {
				t.Errorf("%s has status %d, want %d", kind.Code, got, status)
			}
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   string // in the error
	}{
		{"empty", 200, "", "an empty body"},
		{"text", 200, "hello", `"hello"`},
		{"html", 200, "<html>" + strings.Repeat("x", 100), `"<html>xxx`},
		{"binary", 200, "\x00\xff\x1b[2J", `"\x00\xff\x1b[2J"`},
		{"null", 200, "null", "no "},
		{"nothing in it", 200, "{}", "no "},
		{"list", 200, "[]", "cannot unmarshal"},
		{"two objects", 200, `{"name":"a"}{"name":"b"}`, "after top-level value"},
		{"half an object", 200, `{"name":"a`, "unexpected end"},
		{"huge", 200, `{"name":"` + strings.Repeat("x", api.MaxRulesBody) + `"}`, "longer than "},
		{"created", 201, `{"name":"insane"}`, "status 201"},
		{"redirect", 302, "", "status 302"},
		{"error without body", 500, "", "status 500 with an empty body"},
		{"error in text", 404, "404 page not found\n", `status 404 with "404 page`},
		{"error without code", 400, `{"message":"x"}`, "status 400"},
		{"error without message", 400, `{"code":"invalid"}`, "status 400"},
		{"huge error", 400, strings.Repeat("x", api.MaxRulesBody+1), "longer than "},
	} {
		for name, call := range calls {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				client := dialFake(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Location", "http://insane/elsewhere")
					answer(test.status, test.body)(w, r)
				})
				checkError(t, call(t.Context(), client), test.want)
			})
		}
	}
}

// An answer of exactly the limit is one, and a longer one is none.
func TestLargestAnswer(t *testing.T) {
	body := `{"name":"insane"}`
	body += strings.Repeat(" ", api.MaxBody-len(body))
	if _, err := dialFake(t, answer(200, body)).Info(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := dialFake(t, answer(200, body+" ")).Info(t.Context())
	checkError(t, err, "longer than 65536 bytes")
}

func TestBrokenConnections(t *testing.T) {
	for name, raw := range map[string]string{
		"closed at once":    "",
		"closed in header":  "HTTP/1.1 200 OK\r\n",
		"closed in body":    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"name\":\"insane\"}",
		"closed in a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{\"name\"",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dialFake(t, hijack(t, raw)).Info(t.Context())
			checkError(t, err, "the daemon broke off")
			if errors.Is(err, ErrNoDaemon) {
				t.Errorf("%v is ErrNoDaemon, but there was one", err)
			}
		})
	}
	t.Run("not HTTP", func(t *testing.T) {
		_, err := dialFake(t, hijack(t, "SSH-2.0-OpenSSH\r\n")).Info(t.Context())
		checkError(t, err, "malformed HTTP")
	})
}

// hijack answers with raw bytes and closes.
func hijack(t *testing.T, raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Write([]byte(raw))
		conn.Close()
	}
}

// checkError checks that err says want, in one line.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if text := err.Error(); !strings.Contains(text, want) || strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("error %q, want one line with %q", text, want)
	}
}
