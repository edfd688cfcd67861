package kern

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// complaints are the words by which the verifier says that it does not understand itself
// (kernel/bpf/verifier.c, reg_bounds_sanity_check and verifier_bug). It says so to the program
// that loads, and once to the log of the kernel.
var complaints = []string{"VIOLATION", "verifier bug", "BUG", "misconfigured"}

// The verifier accepts every program without a complaint, whoever loads it. Without
// CAP_PERFMON it also follows the branches that only a speculating CPU takes.
func TestVerifierDoesNotComplain(t *testing.T) {
	for _, c := range []struct {
		who   string
		lost  []int
		level ebpf.LogLevel // with less than LogLevelInstruction the verifier forgets what it has said of a branch
	}{
		{"root", nil, ebpf.LogLevelStats},
		{"documented rights", []int{unix.CAP_SYS_ADMIN, unix.CAP_SYS_RESOURCE, unix.CAP_PERFMON, unix.CAP_NET_RAW},
			ebpf.LogLevelInstruction | ebpf.LogLevelStats},
	} {
		t.Run(c.who, func(t *testing.T) {
			needRoot(t)
			first := kernelLog(t)
			drop(t, c.lost...)
			spec, err := forThisMachine()
			must(t, err)
			collection, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
				Programs: ebpf.ProgramOptions{LogLevel: c.level, LogSizeStart: 64 << 20},
			})
			must(t, err)
			defer collection.Close()
			if len(collection.Programs) != len(spec.Programs) || len(spec.Programs) < 8 {
				t.Errorf("%d programs are loaded of %d", len(collection.Programs), len(spec.Programs))
			}
			for name, program := range collection.Programs {
				if !strings.Contains(program.VerifierLog, "processed ") {
					t.Errorf("%s: the verifier has no statistics: %q", name, program.VerifierLog)
				}
				for _, word := range complaints {
					if at := strings.Index(program.VerifierLog, word); at >= 0 {
						t.Errorf("%s:\n%s", name, program.VerifierLog[max(0, at-2000):min(len(program.VerifierLog), at+200)])
					}
				}
			}
			checkKernelLog(t, first)
		})
	}
}

// kernelLog returns what the kernel has logged, as far as it still has it; "" if the
// machine does not show it.
func kernelLog(t *testing.T) string {
	t.Helper()
	const readAll = 3 // SYSLOG_ACTION_READ_ALL
	buf := make([]byte, 1<<20)
	n, err := unix.Klogctl(readAll, buf)
	if err != nil {
		t.Logf("read the log of the kernel: %v", err)
		return ""
	}
	return string(buf[:n])
}

// checkKernelLog fails if this thread has made the kernel warn since a first look at its
// log.
func checkKernelLog(t *testing.T, first string) {
	t.Helper()
	now := kernelLog(t)
	last := strings.LastIndex(first, "\n[")
	if last < 0 || !strings.Contains(now, first[last:]) {
		return // the kernel has forgotten what it had logged before
	}
	_, later, _ := strings.Cut(now, first[last:])
	if own := fmt.Sprintf("PID: %d ", unix.Gettid()); strings.Contains(later, "WARNING:") && strings.Contains(later, own) {
		t.Errorf("the kernel warns:\n%s", later)
	}
}
