//go:build !amd64 && !arm64

package rights

// architecture is 0: Filter has no list for this architecture.
const architecture = 0

var calls, architectureCalls, signalCalls []int
