package api

import (
	"strings"
	"testing"
)

// CheckName accepts what the kernel accepts, and says what is wrong with the rest.
func TestCheckName(t *testing.T) {
	for name, want := range map[string]string{
		"insane":                 "",
		"eth0.7":                 "",
		"a":                      "",
		"-x":                     "",
		"été":                    "",
		"All":                    "",
		"...":                    "",
		strings.Repeat("x", 15):  "",
		"":                       "not a name for an interface",
		".":                      "not a name for an interface",
		"..":                     "not a name for an interface",
		"all":                    "the kernel means every interface by it",
		"default":                "the kernel means every interface by it",
		strings.Repeat("x", 16):  "longer than 15 bytes",
		strings.Repeat("é", 8):   "longer than 15 bytes",
		"a/b":                    "has one of / : % or white space in it",
		"../eth0":                "has one of / : % or white space in it",
		"eth0:1":                 "has one of / : % or white space in it",
		"insane%d":               "has one of / : % or white space in it",
		"a b":                    "has one of / : % or white space in it",
		"a\tb":                   "has one of / : % or white space in it",
		"a\nb":                   "has one of / : % or white space in it",
		"a\vb":                   "has one of / : % or white space in it",
		"a\fb":                   "has one of / : % or white space in it",
		"a\rb":                   "has one of / : % or white space in it",
		"a\x00b":                 "has one of / : % or white space in it",
		"là":                     "has the byte a0 in it, which is white space to the kernel",
		"a\u00a0b":               "has the byte a0 in it, which is white space to the kernel",
		strings.Repeat(" ", 200): "longer than 15 bytes",
	} {
		got := ""
		if err := CheckName(name); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
