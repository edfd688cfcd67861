package lab

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs fn on a new thread and returns at once. The thread ends with fn, no matter
// what fn did to it: when a locked goroutine exits, its thread ends too
// (runtime.LockOSThread). If the calling thread is locked, the runtime clones new threads
// from a clean one, so the namespaces that fn enters do not spread.
func onThread(fn func()) {
	go func() {
		runtime.LockOSThread()
		if !firstThread() {
			fn()
			return
		}
		// The first thread cannot end before the process does, and /proc/self shows it.
		// Keep it busy until fn has another thread.
		taken := make(chan struct{})
		onThread(func() {
			close(taken)
			fn()
		})
		<-taken
		runtime.UnlockOSThread()
	}()
}

// firstThread reports whether the caller runs on the first thread of the process, whose ID
// equals that of the process.
func firstThread() bool { return unix.Gettid() == unix.Getpid() }
