package rights

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// left holds the files that Leave has made: the descriptors must stay open.
var left []*os.File

// Leave keeps a text for the program that Reduce executes, which finds it by Take. name is
// that of an environment variable. The text is in memory, and goes with the process.
func Leave(name, text string) error {
	fd, err := unix.MemfdCreate(name, 0) // stays open when the program is executed
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	left = append(left, file)
	if _, err := file.WriteString(text); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return os.Setenv(name, strconv.Itoa(fd))
}

// Take returns the text that the program before this one has left under a name. ok is false
// if there was none, or if this is not a program that Reduce has executed. Call it before
// Reduce; a second call finds nothing.
func Take(name string) (text string, ok bool, err error) {
	number := os.Getenv(name)
	if err := os.Unsetenv(name); err != nil || number == "" || os.Getenv(reducedName) != strconv.Itoa(os.Getpid()) {
		return "", false, err
	}
	fd, err := strconv.Atoi(number)
	if err != nil || fd <= 2 {
		return "", false, fmt.Errorf("take over %s: no descriptor: %q", name, number)
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	all, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<62)) // its position is at the end
	if err != nil {
		return "", false, fmt.Errorf("take over %s: %w", name, err)
	}
	return string(all), true, nil
}
