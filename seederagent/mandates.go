package seederagent

import (
	"context"
	"fmt"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// checkMandates asks the chain, not the market, whether each of those who pay for a lease can.
func (a *Agent) checkMandates(ctx context.Context, l marketplace.Lease) error {
	parts, err := worstParts(l)
	if err != nil || a.Vault == nil {
		return err
	}
	for i, f := range l.Funders {
		m, err := a.Vault.MandateOf(ctx, f.Poster, f.Mandate)
		if err != nil {
			return fmt.Errorf("read mandate: %w", err)
		}
		if err := cover(m, f, parts[i], l.ReservedAt.Add(l.KeepFor.Duration())); err != nil {
			return err
		}
	}
	return nil
}

// worstParts is what each funder of a lease has to pay when all of it is earned.
func worstParts(l marketplace.Lease) ([]marketplace.Amount, error) {
	worst := marketplace.KeepPay(l.Price, l.Billed, int64(l.KeepFor.Duration()/time.Second))
	if pledged := l.Funders.Total(); pledged.Cmp(worst) < 0 {
		return nil, marketplace.Invalid.Errorf("lease %d can earn %s BTT; only %s are pledged", l.ID,
			worst, pledged)
	}
	seen := map[marketplace.Address]bool{}
	for _, f := range l.Funders {
		if seen[f.Poster] {
			return nil, marketplace.Invalid.Errorf("lease %d names %s as funder twice", l.ID, f.Poster)
		}
		seen[f.Poster] = true
	}
	return l.Funders.Piece(marketplace.Amount{}, worst), nil
}

// cover says why a mandate does not cover a funder's part of a lease that may run until ends.
func cover(m marketplace.Mandate, f marketplace.Funder, part marketplace.Amount,
	ends time.Time) error {
	left := m.Cap.SubFloor(m.Committed)
	switch {
	case m.Threshold == 0:
		return marketplace.Invalid.Errorf("mandate %s of %s is not in the vault", f.Mandate, f.Poster)
	case m.Expiry.Before(ends):
		return marketplace.Invalid.Errorf("mandate %s of %s expires %s, before the lease ends",
			f.Mandate, f.Poster, m.Expiry)
	case left.Cmp(part) < 0:
		return marketplace.Invalid.Errorf("mandate %s of %s has %s BTT left; its part of the lease is %s",
			f.Mandate, f.Poster, left, part)
	}
	return nil
}
