package host

import "strings"

// AliasPrefix is the beginning of the alias that `ip link` shows for a device; the slave's
// name follows. The alias tells a user what the interface is, and shows other devices the
// slave of this one.
const AliasPrefix = "insane: slave "

// IsDevice reports whether the link is the interface of a device.
func (l *Link) IsDevice() bool { return strings.HasPrefix(l.Alias, AliasPrefix) }

// SlaveName returns the name of the slave that the alias of the link contains. ok is false
// if the link is not the interface of a device.
func (l *Link) SlaveName() (name string, ok bool) { return strings.CutPrefix(l.Alias, AliasPrefix) }
