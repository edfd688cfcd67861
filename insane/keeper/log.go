package keeper

import (
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// entries are the last changes of a device, at most api.MaxLog. An entry in it is never
// changed. The zero value is an empty log.
type entries struct {
	mu   sync.Mutex
	list []api.LogEntry // the oldest first
	last uint64         // the number of the last one
}

// add gives an entry its number and the time of the day, and adds it. It forgets the oldest
// one if there are too many.
func (e *entries) add(entry api.LogEntry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	entry.Number, entry.Time = e.last, time.Now().Format("2006-01-02T15:04:05.000Z07:00")
	if entry.Members == nil {
		entry.Members = []api.Transition{} // never null in JSON
	}
	if len(e.list) == api.MaxLog {
		copy(e.list, e.list[1:])
		e.list = e.list[:api.MaxLog-1]
	}
	e.list = append(e.list, entry)
}

// Log returns the entries from a number on, at most api.MaxLogPage.
func (k *Keeper) Log(from uint64) api.LogPage {
	e := &k.entries
	e.mu.Lock()
	defer e.mu.Unlock()
	page := api.LogPage{Entries: []api.LogEntry{}, Last: e.last}
	first := e.last + 1 - uint64(len(e.list)) // number of the oldest one
	if from = max(from, first); from <= e.last {
		rest := e.list[from-first:]
		page.Entries = append(page.Entries, rest[:min(len(rest), api.MaxLogPage)]...)
	}
	return page
}

// mostShown is the most bytes of a value that the log keeps.
const mostShown = 200

// cut returns a text as it is shown, in one line, or its beginning if it is long.
func cut(text string) string {
	text = strings.ReplaceAll(api.ShowText(text), "\n", " ")
	if len(text) <= mostShown {
		return text
	}
	end := mostShown
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
