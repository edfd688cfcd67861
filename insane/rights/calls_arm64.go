package rights

import "golang.org/x/sys/unix"

// architecture is the number of this architecture in struct seccomp_data.
const architecture = unix.AUDIT_ARCH_AARCH64

// architectureCalls is empty: arm64 has no older forms of the calls in calls.go.
var architectureCalls []int
