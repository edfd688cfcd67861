package api

import "fmt"

// Error is a refusal. It is the JSON body of every answer that is not a success. errors.Is
// compares two errors by their codes only.
type Error struct {
	Code    string `json:"code"`            // one of the Code… values
	Field   string `json:"field,omitempty"` // the member or argument at fault
	Message string `json:"message"`         // one line for a user, complete without Field
}

// Codes of errors, each with its HTTP status.
const (
	CodeInvalid   = "invalid"    // 400: a value that is not valid
	CodeForbidden = "forbidden"  // 403: the peer may not change this device
	CodeNotFound  = "not-found"  // 404: no such path
	CodeMethod    = "method"     // 405: the path exists, but not with this method
	CodeNoDevice  = "no-device"  // 422: no link of that name (ENODEV)
	CodeWrongType = "wrong-type" // 422: a link that cannot be a slave (EINVAL)
	CodeLoop      = "loop"       // 422: the device would be its own slave
	CodeNoReceive = "no-receive" // 422: the kernel, or the rights of the daemon, allow no receive filter
	CodeNoLease   = "no-lease"   // 409: nothing waits for a confirmation
	CodeNamespace = "namespace"  // 412: the device is not in the network namespace of HeaderNamespace
	CodeTooLarge  = "too-large"  // 413: the body exceeds MaxBody, MaxRulesFile or MaxReplay
	CodeBusy      = "busy"       // 503: there are as many recordings as there may be
	CodeInternal  = "internal"   // 500: the kernel refused; the message says what
)

// Errors to compare with: errors.Is(err, api.ErrNoDevice).
var (
	ErrInvalid   = &Error{Code: CodeInvalid, Message: "invalid value"}
	ErrForbidden = &Error{Code: CodeForbidden, Message: "not permitted"}
	ErrNotFound  = &Error{Code: CodeNotFound, Message: "no such path"}
	ErrMethod    = &Error{Code: CodeMethod, Message: "method not allowed"}
	ErrNoDevice  = &Error{Code: CodeNoDevice, Message: "no such device"}
	ErrWrongType = &Error{Code: CodeWrongType, Message: "not Ethernet or loopback"}
	ErrLoop      = &Error{Code: CodeLoop, Message: "the device would be its own slave"}
	ErrNoReceive = &Error{Code: CodeNoReceive, Message: "no receive filter"}
	ErrNoLease   = &Error{Code: CodeNoLease, Message: "nothing waits for a confirmation"}
	ErrNamespace = &Error{Code: CodeNamespace, Message: "another network namespace"}
	ErrTooLarge  = &Error{Code: CodeTooLarge, Message: "request too large"}
	ErrBusy      = &Error{Code: CodeBusy, Message: "busy"}
	ErrInternal  = &Error{Code: CodeInternal, Message: "internal error"}
)

// Errorf makes an error of this kind with its own message.
func Errorf(kind *Error, field, format string, args ...any) *Error {
	return &Error{Code: kind.Code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Is compares the codes of two errors and ignores their messages.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Status is the HTTP status that an error of this code travels under.
func (e *Error) Status() int {
	switch e.Code {
	case CodeInvalid:
		return 400
	case CodeForbidden:
		return 403
	case CodeNotFound:
		return 404
	case CodeMethod:
		return 405
	case CodeNoLease:
		return 409
	case CodeNamespace:
		return 412
	case CodeTooLarge:
		return 413
	case CodeNoDevice, CodeWrongType, CodeLoop, CodeNoReceive:
		return 422
	case CodeBusy:
		return 503
	default:
		return 500
	}
}
