package marketplace

import (
	"errors"
	"fmt"
)

// A Kind is a sort of error that the caller can act on. Everything else is a fault of ours and
// reaches the caller only as "internal error". errors.Is(err, Conflict) holds on the server, over
// HTTP and in the agent.
type Kind string

// The kinds. api/problem.go gives each its HTTP status.
const (
	Invalid      Kind = "invalid"      // the input breaks a rule; change it
	Unauthorized Kind = "unauthorized" // sign in first
	Forbidden    Kind = "forbidden"    // signed in, but not as the one who may
	NotFound     Kind = "not_found"    // there is no such thing
	Conflict     Kind = "conflict"     // the thing is not in the state this needs
	Insufficient Kind = "insufficient" // not enough free money or mandate in the vault
	TooMany      Kind = "too_many"     // a limit is reached; wait or ask for less
	Unavailable  Kind = "unavailable"  // a part we depend on is down; try again
	Denied       Kind = "denied"       // a denylist refuses this torrent
)

// Error makes a Kind usable with errors.Is.
func (k Kind) Error() string { return string(k) }

// Errorf returns an *Error of this kind. The text is read by the caller: say what is wrong, with
// numbers, and what would mend it.
func (k Kind) Errorf(format string, args ...any) error {
	return &Error{Kind: k, Detail: fmt.Sprintf(format, args...)}
}

// An Error is a refusal in words, with its kind.
type Error struct {
	Kind   Kind
	Field  string // the input's field in JSON spelling, if one is to blame
	Detail string
}

func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Detail
	}
	return e.Detail
}

// Is reports whether target is the error's kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

// Refusals returns every *Error joined in err, so that a form can show all at once.
func Refusals(err error) []*Error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Error
		for _, e := range joined.Unwrap() {
			all = append(all, Refusals(e)...)
		}
		return all
	}
	var one *Error
	if errors.As(err, &one) {
		return []*Error{one}
	}
	return nil
}

// field returns a refusal of one input field.
func field(name, format string, args ...any) error {
	return &Error{Kind: Invalid, Field: name, Detail: fmt.Sprintf(format, args...)}
}
