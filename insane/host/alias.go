package host

import "strings"

// AliasPrefix begins what `ip link` shows as alias of a device, in front of the
// slave's name. It tells a person what the interface is, and other devices where a
// chain of slaves leads.
const AliasPrefix = "insane: slave "

// IsDevice reports whether the link is the interface of a device.
func (l *Link) IsDevice() bool { return strings.HasPrefix(l.Alias, AliasPrefix) }

// SlaveName is the name of the slave that the link says it has, if it is the
// interface of a device.
func (l *Link) SlaveName() (name string, ok bool) { return strings.CutPrefix(l.Alias, AliasPrefix) }
