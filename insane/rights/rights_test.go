package rights

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// crowd makes the runtime run the calling goroutine in another thread, if it may: other
// goroutines take the threads for themselves in which they are run.
func crowd() {
	runtime.GOMAXPROCS(1)
	for range 10 {
		locked := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(locked)
			select {}
		}()
		<-locked
	}
}

// reduced is a child that reduces its rights. The signal for its end is there before and
// after it has executed its program again, whatever else runs in the process.
func reduced(check func(error, string)) {
	crowd()
	var ordered int32
	check(unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&ordered)), 0, 0, 0), "ask for the signal")
	if ordered != int32(deathSignal) {
		check(fmt.Errorf("signal %d, want %d", ordered, deathSignal), "executed again: "+os.Getenv(reducedName))
	}
	check(Reduce(Options{}), "reduce the rights")
}

// A process that reduces its rights keeps the signal that its parent has ordered for its end.
func TestReduceKeepsDeathSignal(t *testing.T) {
	runChild(t, "reduced")
}
