package control

import (
	"bytes"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// The line about a change names every member that a change can have, and the peer.
func TestEveryMemberIsLogged(t *testing.T) {
	var log bytes.Buffer
	s := newServer(newFake(), Options{Name: "insane", Log: slog.New(slog.NewTextHandler(&log, nil))})
	ask(s, root, http.MethodPut, api.PathInfo, `{"receive":"none","session":"192.0.2.7 50000 10.9.0.1 22","for":"10m","confirm":"20s"}`)
	change := reflect.TypeFor[api.Change]()
	for n := range change.NumField() {
		name, _, _ := strings.Cut(change.Field(n).Tag.Get("json"), ",")
		name = strings.TrimSuffix(name, "Text") // another form of the same member
		if !strings.Contains(log.String(), " "+name+"=") {
			t.Errorf("no %s= in %s", name, &log)
		}
	}
	if want := `uid=0 gid=0 pid=0 command=(unknown) slave=eth0 receive="all -> none"`; !strings.Contains(log.String(), want) {
		t.Errorf("no %s in %s", want, &log)
	}
}
