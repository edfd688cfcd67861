package labtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Launcher returns the command that runs insane instead of this program, with the same
// arguments: start in the folder that the environment variable INSANE_CONFINED names. It
// starts the program elsewhere, and ends as that ends (.dist/confine). "" means that there is
// no such variable.
func Launcher() string {
	folder := os.Getenv("INSANE_CONFINED")
	if folder == "" {
		return ""
	}
	return filepath.Join(folder, "start")
}

// ProcessOf returns the process of a daemon that a command has started. It is the command
// itself, unless that is Launcher: then it waits until the launcher has told which one it is,
// or has ended.
func ProcessOf(command *os.Process) *os.Process {
	launcher := Launcher()
	if launcher == "" {
		return command
	}
	told := filepath.Join(filepath.Dir(launcher), fmt.Sprint(command.Pid), "pid")
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(told)
		if err != nil && command.Signal(syscall.Signal(0)) != nil {
			break
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return processOf(pid, command)
		}
	}
	return command
}

// processOf returns a process by its number, or the command if there is none.
func processOf(pid int, command *os.Process) *os.Process {
	if p, err := os.FindProcess(pid); err == nil {
		return p
	}
	return command
}
