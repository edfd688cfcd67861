package frame

import (
	"errors"
	"fmt"
)

// ErrMalformed matches every error of Inspect, with errors.Is.
var ErrMalformed = errors.New("malformed frame")

// Errors of Inspect. They are values without details of the frame, because a
// flood of bad frames must not cost an allocation each.
var (
	ErrRunt       = malformed("shorter than an Ethernet header")
	ErrTooLong    = malformed("longer than any port carries")
	ErrGSOType    = malformed("GSO type unsupported or not that of the packet")
	ErrGSOSize    = malformed("impossible GSO size")
	ErrNoChecksum = malformed("super-frame without partial checksum")
	ErrChecksum   = malformed("partial checksum not where the transport header has it")
	ErrNetwork    = malformed("bad IP header")
	ErrFragment   = malformed("super-frame is an IP fragment")
	ErrTransport  = malformed("bad transport header")
	ErrLength     = malformed("length field disagrees with the frame")
	ErrHeaders    = malformed("headers too long to repeat")
)

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }
