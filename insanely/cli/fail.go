package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/verify"
	"github.com/seed-39a139a1/insane/policy"
)

// Exit codes; --help lists them.
const (
	exitOK        = 0
	exitFailed    = 1 // the daemon refused or failed
	exitUsage     = 2 // bad usage or a bad value; nothing was sent
	exitNoDaemon  = 3
	exitForbidden = 4
)

// Codes of errors that --json prints besides the codes of package api.
const (
	codeNoDaemon = "no-daemon"
	codeFailed   = "failed" // any other error that the daemon did not send
)

// usageError is an invalid command line. Nothing was sent.
type usageError struct{ field, message string }

// Error returns the message.
func (e *usageError) Error() string { return e.message }

func usagef(field, format string, args ...any) error {
	return &usageError{field: strings.TrimLeft(field, "-"), message: fmt.Sprintf(format, args...)}
}

// fault returns the form of an error for programs, and the exit code.
func fault(err error) (said api.Error, code int) {
	defer func() { said.Message = api.ShowText(said.Message) }()
	said = api.Error{Code: codeFailed, Message: err.Error()}
	usage, isUsage := errors.AsType[*usageError](err)
	value, isValue := errors.AsType[*policy.FieldError](err)
	refused, isRefused := errors.AsType[*api.Error](err)
	switch {
	case isUsage:
		said.Code, said.Field = api.CodeInvalid, usage.field
		return said, exitUsage
	case isValue:
		said.Code, said.Field = api.CodeInvalid, value.Field
		return said, exitUsage
	case isRefused:
		said = *refused
		if errors.Is(err, api.ErrForbidden) {
			return said, exitForbidden
		}
	case errors.Is(err, insanely.ErrNoDaemon):
		said.Code = codeNoDaemon
		return said, exitNoDaemon
	case errors.Is(err, insanely.ErrPermission), errors.Is(err, verify.ErrRights):
		said.Code = api.CodeForbidden
		return said, exitForbidden
	}
	return said, exitFailed
}

func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	_, code := fault(err)
	return code
}

// oneLine returns the line that stderr gets for an error, with a newline.
func oneLine(err error, asJSON bool) string {
	said, _ := fault(err)
	if asJSON {
		return toJSON(said, "")
	}
	return "insanely: " + strings.ReplaceAll(said.Message, "\n", " ") + "\n"
}
