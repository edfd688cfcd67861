package lab

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// printer writes for a user and keeps the first error of a write.
type printer struct {
	out    io.Writer
	colour bool
	err    error
}

// newPrinter uses colours if out is a terminal and the user has not disabled them
// (https://no-color.org).
func newPrinter(out io.Writer) *printer {
	return &printer{out: out, colour: isTerminal(out) && os.Getenv("NO_COLOR") == ""}
}

func (p *printer) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(p.out, format, args...); err != nil && p.err == nil {
		p.err = fmt.Errorf("write: %w", err)
	}
}

// row writes a label and its value.
func (p *printer) row(label, format string, args ...any) {
	p.printf("   %-9s %s\n", label, fmt.Sprintf(format, args...))
}

// Select Graphic Rendition parameters (ECMA-48 section 8.3.117).
const (
	bold  = 1
	red   = 31
	green = 32
)

func (p *printer) paint(code int, text string) string {
	if !p.colour {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, text)
}

// number prints n with a comma before every three digits.
func number[T int | int64 | uint64](n T) string {
	digits := strconv.FormatUint(uint64(n), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// packets writes a number of packets in words.
func packets[T int | int64 | uint64](n T) string { return counted(n, "packet") }

// counted writes a number of things whose plural ends with s.
func counted[T int | int64 | uint64](n T, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(n) + " " + thing + "s"
}

// ms prints a duration in milliseconds, to a hundredth that is never more than it.
func ms(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds()/10)/100)
}

// share returns part of whole in per cent.
func share(part, whole int) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

// isTerminal reports whether a stream is a file that is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	return onFile(f, func(fd int) error {
		_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	}) == nil
}
