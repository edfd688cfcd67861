package api

import "testing"

func TestParseSession(t *testing.T) {
	for _, text := range []string{
		"", "1.2.3.4 5 6.7.8.9", "1.2.3.4 5 6.7.8.9 22 1", "1.2.3 5 6.7.8.9 22", "1.2.3.4 65536 6.7.8.9 22",
		"1.2.3.4 -1 6.7.8.9 22", "1.2.3.4 5 fd00::1 22", "host 5 6.7.8.9 22",
	} {
		if s, err := ParseSession(text); err == nil {
			t.Errorf("%q is read as %+v", text, s)
		}
	}
	if s, err := ParseSession("fe80::1%eth0 5 fe80::2%eth0 22"); err != nil || s.Client.String() != "[fe80::1]:5" {
		t.Errorf("%+v, %v", s, err)
	}
}
