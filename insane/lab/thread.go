package lab

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs fn on a thread of its own and returns at once. The thread ends
// with fn, whatever fn did to it: a goroutine that exits while locked takes its
// thread along (runtime.LockOSThread). The runtime clones new threads from a
// clean one when the asking thread is locked, so nothing fn enters spreads.
func onThread(fn func()) {
	go func() {
		runtime.LockOSThread()
		if !firstThread() {
			fn()
			return
		}
		// The first thread cannot end before the process does, and it is
		// what /proc/self shows. Keep it busy until fn has another one.
		taken := make(chan struct{})
		onThread(func() {
			close(taken)
			fn()
		})
		<-taken
		runtime.UnlockOSThread()
	}()
}

// firstThread reports whether the caller runs on the thread the process
// started with, whose id is the process's.
func firstThread() bool { return unix.Gettid() == unix.Getpid() }
