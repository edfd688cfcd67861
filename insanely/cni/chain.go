package cni

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// pluginType is the name of the plugin in a list of plugins, which is that of its program.
const pluginType = "insane-cni"

// entry is the plugin in a list of plugins.
type entry struct {
	Type         string          `json:"type"`
	Capabilities map[string]bool `json:"capabilities"`
	Policy       string          `json:"policy,omitempty"`
	RXPolicy     string          `json:"rxPolicy,omitempty"`
	Memory       string          `json:"memory,omitempty"`
	Required     bool            `json:"required,omitempty"`
	Directory    string          `json:"directory,omitempty"`
}

// chain finds the list of plugins that the runtime uses: the first one of the directory, in the order
// of names.
func chain(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, file := range entries {
		switch filepath.Ext(file.Name()) {
		case ".conflist":
			return filepath.Join(dir, file.Name()), nil
		case ".conf", ".json":
			return "", fmt.Errorf("%s: the runtime uses one plugin alone: make it a list of plugins (.conflist)", filepath.Join(dir, file.Name()))
		}
	}
	return "", fmt.Errorf("%s: there is no list of plugins (.conflist) yet", dir)
}

// put writes a list of plugins with the plugin at its end; nil: without it. Everything else
// stays as it is. It writes nothing if nothing changes, and else the whole list at once.
func put(path string, e *entry) (changed bool, err error) {
	old, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	text, err := edit(old, e)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if text == nil {
		return false, nil
	}
	return true, replace(path, bytes.NewReader(text), 0o644)
}

// edit returns the text of a list of plugins with the plugin at its end, or without it; nil: it
// is so already.
func edit(old []byte, e *entry) ([]byte, error) {
	var list map[string]json.RawMessage
	var plugins []json.RawMessage
	if err := json.Unmarshal(old, &list); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(list["plugins"], &plugins); err != nil || len(plugins) == 0 {
		return nil, errors.Join(errors.New("no list of plugins"), err)
	}
	changed := slices.DeleteFunc(slices.Clone(plugins), func(text json.RawMessage) bool {
		var p struct{ Type string }
		return json.Unmarshal(text, &p) == nil && p.Type == pluginType
	})
	if e != nil {
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		changed = append(changed, text)
	}
	if slices.EqualFunc(plugins, changed, same) {
		return nil, nil
	}
	text, err := json.Marshal(changed)
	if err != nil {
		return nil, err
	}
	list["plugins"] = text
	text, err = json.MarshalIndent(list, "", "  ")
	return append(text, '\n'), err
}

// same reports whether two texts of JSON differ in white space only.
func same(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}
