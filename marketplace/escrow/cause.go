package escrow

import (
	"errors"

	"github.com/everseed/everseed/marketplace"
)

// A Cause is why a transaction could not be made, was not taken or came to nothing, sorted by
// who can do something about it.
type Cause string

// The causes.
const (
	CauseUncovered Cause = "uncovered"   // the account in the vault has less
	CauseCap       Cause = "cap"         // the mandate has less left
	CauseExpired   Cause = "expired"     // the mandate is over
	CauseNothing   Cause = "nothing_due" // all of the cheque was paid before
	CauseTRX       Cause = "trx"         // the key cannot pay for it
	CauseEnergy    Cause = "energy"      // the fee limit is below what it takes
	CauseTime      Cause = "time"        // the node gave up on it, at full cost
	CauseLie       Cause = "lie"         // the node made something else than was asked
	CauseNode      Cause = "node"        // the node does not answer, or cannot now
	CauseOther     Cause = "other"       // a person must read why
)

// A fault is an error whose cause is known.
type fault struct {
	error
	cause Cause
}

func (f fault) Unwrap() error { return f.error }

// because marks an error with its cause.
func because(c Cause, err error) error { return fault{err, c} }

// CauseOf returns the cause of an error of this package.
func CauseOf(err error) Cause {
	var f fault
	switch {
	case errors.As(err, &f):
		return f.cause
	case errors.Is(err, marketplace.Unavailable):
		return CauseNode
	default:
		return CauseOther
	}
}

// causes are those of the vault's and the token's errors.
var causes = map[string]Cause{
	"OverBalance": CauseUncovered, "TRC20InsufficientBalance": CauseUncovered,
	"OverCap": CauseCap, "MandateExpired": CauseExpired, "NothingDue": CauseNothing,
}

func (r revert) cause() Cause {
	if c, known := causes[r.name]; known {
		return c
	}
	return CauseOther
}
