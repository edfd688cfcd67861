package pods

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The most bytes of a pod, or of another value of JSON, and of what is between values. The API server
// takes no objects that are larger than 3 MiB, and its database none above 1.5 MiB.
const (
	maxObject = 4 << 20
	maxToken  = 64 << 10
)

var errTooLong = errors.New("an object or a name is too long")

// stream reads values of JSON of bounded size, of which there may be any number.
type stream struct {
	from io.Reader
	left int // bytes that the value may still have
	json *json.Decoder
}

func newStream(from io.Reader) *stream {
	s := &stream{from: from}
	s.json = json.NewDecoder(s)
	return s
}

// Read is for the decoder.
func (s *stream) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, errTooLong
	}
	n, err := s.from.Read(b[:min(len(b), s.left)])
	s.left -= n
	return n, err
}

// value reads the next value into v, as a whole. The error is io.EOF if there is none.
func (s *stream) value(v any) error {
	s.left = maxObject
	return wrap(s.json.Decode(v))
}

// token reads a bracket, or a value that is no array and no object.
func (s *stream) token() (json.Token, error) {
	s.left = maxToken
	t, err := s.json.Token()
	return t, wrap(err)
}

func wrap(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("read answer: %w", err)
}

// more reports whether an array or an object goes on.
func (s *stream) more() bool {
	s.left = maxToken
	return s.json.More()
}

// bracket reads a certain bracket.
func (s *stream) bracket(want json.Delim) error {
	got, err := s.token()
	if err == nil && got != want {
		err = fmt.Errorf("read list: want %v, not %.40q", want, fmt.Sprint(got))
	}
	return err
}

// readList reads a list of pods, calls see for each, and returns the version of the list.
func readList(from io.Reader, see func(Pod)) (version string, err error) {
	s := newStream(from)
	err = s.bracket('{')
	for err == nil && s.more() {
		version, err = s.member(version, see)
	}
	if err == nil {
		err = s.bracket('}')
	}
	switch {
	case err == io.EOF:
		return "", io.ErrUnexpectedEOF
	case err == nil && version == "":
		return "", errors.New("read list: there is no resourceVersion in it")
	}
	return version, err
}

// member reads one member of a list of pods. It returns the version of the list: that given, or
// the one that is in this member.
func (s *stream) member(version string, see func(Pod)) (string, error) {
	name, err := s.token()
	if err != nil {
		return "", err
	}
	switch name {
	case "metadata":
		var m struct {
			ResourceVersion string `json:"resourceVersion"`
		}
		err = s.value(&m)
		version = m.ResourceVersion
	case "items":
		err = s.items(see)
	default:
		var other json.RawMessage
		err = s.value(&other)
	}
	return version, err
}

// items reads the pods of a list; null: there are none.
func (s *stream) items(see func(Pod)) error {
	switch begin, err := s.token(); {
	case err != nil:
		return err
	case begin == nil:
		return nil
	case begin != json.Delim('['):
		return fmt.Errorf("read list: items is %.40q", fmt.Sprint(begin))
	}
	for s.more() {
		var o object
		if err := s.value(&o); err != nil {
			return err
		}
		see(o.pod())
	}
	return s.bracket(']')
}

// readEvents reads events until they end, calls see for each pod that is there or has changed, and
// returns the version up to which everything is known.
func readEvents(from io.Reader, version string, see func(Pod)) (string, error) {
	for s := newStream(from); ; {
		var e struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		switch err := s.value(&e); {
		case err == io.EOF:
			return version, nil
		case err != nil:
			return version, err
		}
		if e.Type == "ERROR" {
			said := new(status)
			_ = json.Unmarshal(e.Object, said) // what it says not is zero
			return version, said
		}
		var o object
		if err := wrap(json.Unmarshal(e.Object, &o)); err != nil {
			return version, err
		}
		switch e.Type {
		case "ADDED", "MODIFIED":
			see(o.pod())
		case "BOOKMARK", "DELETED":
		default:
			return version, fmt.Errorf("read event: type is %.40q", e.Type)
		}
		if v := o.Metadata.ResourceVersion; v != "" {
			version = v
		}
	}
}
