package frame

import (
	"errors"
	"fmt"
)

// Every error of Inspect matches one of these two, with errors.Is.
var (
	// ErrMalformed: the frame makes no sense.
	ErrMalformed = errors.New("malformed frame")

	// ErrUnsupported: the super-frame may make sense, but nothing here can take its
	// packets apart.
	ErrUnsupported = errors.New("super-frame of an unsupported kind")
)

// Other errors of Inspect. They are values without details of the frame, because a
// flood of bad frames must not cost an allocation each.
var (
	ErrRunt      = malformed("shorter than an Ethernet header")
	ErrTooLong   = malformed("longer than any port carries")
	ErrGSOType   = malformed("GSO type is not that of the packet")
	ErrGSOSize   = malformed("impossible GSO size")
	ErrChecksum  = malformed("partial checksum not where the transport header has it")
	ErrNetwork   = malformed("bad IP header")
	ErrTunnel    = malformed("bad tunnel header")
	ErrFragment  = malformed("super-frame is an IP fragment")
	ErrTransport = malformed("bad transport header")
	ErrLength    = malformed("length field disagrees with the frame")

	ErrNoChecksum = unsupported("super-frame without partial checksum")
	ErrHeaders    = unsupported("headers too long to repeat")
)

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }

func unsupported(why string) error { return fmt.Errorf("%w: %s", ErrUnsupported, why) }
