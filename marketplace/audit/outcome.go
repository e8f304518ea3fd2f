package audit

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// outcome sums up, and names what became of what never came.
func (p *probe) outcome(ctx context.Context, err error) marketplace.Outcome {
	missing := marketplace.Unreachable
	switch {
	case ctx.Err() != nil || ourFault(err):
		missing = marketplace.AuditorFault
	case p.met:
		missing = marketplace.Timeout
	}
	sum := marketplace.Pass
	for i := range p.answers {
		a := &p.answers[i]
		if p.dropped[i] {
			continue
		}
		if a.Outcome == "" {
			a.Outcome, a.TookMS = missing, time.Since(p.began).Milliseconds()
		}
		if slices.Index(gravity, a.Outcome) > slices.Index(gravity, sum) {
			sum = a.Outcome
		}
	}
	return sum
}

// gravity orders what may become of a piece: the gravest sums up a try.
var gravity = []marketplace.Outcome{marketplace.Pass, marketplace.AuditorFault,
	marketplace.Unreachable, marketplace.Timeout, marketplace.Withheld, marketplace.BadData}

// ourFault knows errors that say something of this machine and nothing of the peer.
func ourFault(err error) bool {
	for _, ours := range []error{errUnknocked, errNoCarrier, errVia, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EMFILE,
		syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}
