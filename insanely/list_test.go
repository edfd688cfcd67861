package insanely

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// One daemon that hangs and one that died do not keep the others from the list.
func TestList(t *testing.T) {
	dir := filepath.Dir(socketIn(t))
	in := func(name string) string { return filepath.Join(dir, name) }
	serve(t, in("zulu.sock"), answerJSON(t, sampleInfo()))
	serve(t, in("alive.sock"), answerJSON(t, sampleInfo()))
	serve(t, in("broken.sock"), answer(200, "?"))
	leaveDead(t, in("dead.sock"))
	listenSilent(t, in("hanging.sock"))
	// The list leaves out a socket that is no device's.
	listenSilent(t, in("other.socket"))
	if err := errors.Join(os.WriteFile(in("file.sock"), nil, 0o600), os.Mkdir(in("dir.sock"), 0o700)); err != nil {
		t.Fatal(err)
	}

	entries, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	info := sampleInfo()
	want := []Entry{
		{Name: "alive", Socket: in("alive.sock"), Info: &info},
		{Name: "broken", Socket: in("broken.sock")},
		{Name: "dead", Socket: in("dead.sock")},
		{Name: "hanging", Socket: in("hanging.sock")},
		{Name: "zulu", Socket: in("zulu.sock"), Info: &info},
	}
	got := make([]Entry, len(entries))
	failed := make(map[string]error)
	for i, entry := range entries {
		failed[entry.Name], entry.Err = entry.Err, nil
		got[i] = entry
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if err := errors.Join(failed["alive"], failed["zulu"]); err != nil {
		t.Error(err)
	}
	checkError(t, failed["broken"], `read answer "?"`)
	if !errors.Is(failed["dead"], ErrNoDaemon) {
		t.Errorf("dead: %v, want ErrNoDaemon", failed["dead"])
	}
	if !errors.Is(failed["hanging"], context.DeadlineExceeded) {
		t.Errorf("hanging: %v, want DeadlineExceeded", failed["hanging"])
	}
}

func TestListNothing(t *testing.T) {
	dir := t.TempDir()
	for name, dir := range map[string]string{"empty": dir, "missing": filepath.Join(dir, "missing")} {
		t.Run(name, func(t *testing.T) {
			if entries, err := List(dir); err != nil || len(entries) != 0 {
				t.Errorf("%d entries, error %v", len(entries), err)
			}
		})
	}
}

func TestListOfNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := List(file)
	checkError(t, err, "list devices: ")
}

// All are asked at the same time, so that many that hang cost no more than one.
func TestListAsksTogether(t *testing.T) {
	dir := filepath.Dir(socketIn(t))
	var arrived sync.WaitGroup
	const daemons = 20
	arrived.Add(daemons)
	for i := range daemons {
		serve(t, filepath.Join(dir, string(rune('a'+i))+".sock"), func(w http.ResponseWriter, r *http.Request) {
			arrived.Done()
			arrived.Wait() // nobody is answered before all have been asked
			answerJSON(t, sampleInfo())(w, r)
		})
	}
	entries, err := List(dir)
	if err != nil || len(entries) != daemons {
		t.Fatalf("%d entries, error %v", len(entries), err)
	}
	for _, entry := range entries {
		if entry.Err != nil {
			t.Errorf("%s: %v", entry.Name, entry.Err)
		}
	}
}
