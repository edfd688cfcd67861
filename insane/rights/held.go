package rights

import "golang.org/x/sys/unix"

// names are those of the capabilities that a daemon needs.
var names = []struct {
	number int
	name   string
}{
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{unix.CAP_NET_RAW, "CAP_NET_RAW"},
	{unix.CAP_BPF, "CAP_BPF"},
}

// Held returns the names of those capabilities that a daemon needs and the calling thread has.
func Held() (held []string, err error) {
	has, err := getCapabilities()
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if has.effective>>n.number&1 != 0 {
			held = append(held, n.name)
		}
	}
	return held, nil
}
