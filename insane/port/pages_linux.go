package port

import "golang.org/x/sys/unix"

// Pages is memory of the kernel's, in whole pages: what is given back leaves the process at
// once, and Go's collector never looks at it. It is safe for concurrent use.
type Pages struct{}

// Alloc returns this many bytes, or nil if the kernel has none.
func (Pages) Alloc(bytes int) []byte {
	b, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil
	}
	return b
}

// Free takes back what Alloc has returned.
func (Pages) Free(b []byte) { _ = unix.Munmap(b) }
