package settlement

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

const (
	// chequesMax is how many cheques a step looks at.
	chequesMax = 200
	// burntFirst is what a redemption costs about, in sun, before one was seen.
	burntFirst = 4 * escrow.Sun
	// rest is how long a cheque that the vault or the node refuses is left alone.
	rest = time.Minute
)

// redeem carries on with the transactions under way and starts new ones for cheques that are
// worth their fee.
func (s *Settler) redeem(ctx context.Context, now time.Time) (n int, err error) {
	flying, err := s.Book.InFlight(ctx)
	if err != nil {
		return 0, err
	}
	if len(flying) > 0 {
		if n, err = s.carryAllOn(ctx, flying, now); errors.Is(err, marketplace.Unavailable) {
			return n, err
		}
	}
	if s.suspect > 0 {
		return n, err
	}
	started, failed := s.start(ctx, now)
	return n + started, errors.Join(err, failed)
}

func (s *Settler) carryAllOn(ctx context.Context, flying []orderbook.StagedTx, now time.Time) (
	n int, err error) {
	state, err := s.Book.Solvency(ctx)
	if err != nil {
		return 0, err
	}
	for _, tx := range flying {
		moved, failed := s.carryOn(ctx, tx, state.Frozen || s.suspect > 0, now)
		if moved {
			n++
		}
		err = errors.Join(err, about(tx.Cheque, failed))
	}
	return n, err
}

// start stages and sends redemptions that are worth their fee.
func (s *Settler) start(ctx context.Context, now time.Time) (n int, err error) {
	due, err := s.Book.Redeemable(ctx, chequesMax)
	if err != nil {
		return 0, err
	}
	for _, r := range due {
		if !s.worth(r, now) || now.Before(s.refused[r.ID]) {
			continue
		}
		failed := s.submit(ctx, r, now)
		err = errors.Join(err, about(r.ID, failed))
		if errors.Is(failed, marketplace.Unavailable) {
			return n, err
		}
		if failed == nil {
			n++
		}
	}
	return n, err
}

func about(cheque int64, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cheque %d: %w", cheque, err)
}

// carryOn does the next thing for a transaction that was written down. After a crash it is
// the recovery, and it is the normal path.
func (s *Settler) carryOn(ctx context.Context, tx orderbook.StagedTx, frozen bool, now time.Time) (
	moved bool, err error) {
	staged := escrow.Staged{ID: tx.ID, Raw: tx.Raw, Expires: tx.Expires}
	found, err := s.Vault.Outcome(ctx, staged)
	if err != nil {
		return false, err
	}
	if found.Outcome == escrow.Confirmed || found.Outcome == escrow.Reverted {
		// The ledger first: what the block says happened before we say what follows.
		cursor, err := s.Book.ChainCursor(ctx)
		if err != nil || cursor.Number < found.Block {
			return false, err
		}
	}
	switch found.Outcome {
	case escrow.Pending:
		if frozen {
			return false, nil
		}
		if err := s.Vault.Send(ctx, staged); err != nil {
			// Whether it arrived is not for the answer to say: the next outcome does.
			s.Log.InfoContext(ctx, "cheque not taken", "tx", tx.ID, "reason", err.Error())
		}
		return false, nil
	case escrow.Included:
		if tx.State == "included" {
			return false, nil
		}
		return true, s.Book.MarkIncluded(ctx, tx.ID, now)
	case escrow.Confirmed:
		return true, s.confirmed(ctx, tx, found, now)
	case escrow.Reverted:
		return true, s.reverted(ctx, tx, found, now)
	case escrow.Lapsed:
		s.Log.InfoContext(ctx, "cheque lapsed", "cheque", tx.Cheque, "tx", tx.ID)
		return true, s.Book.Unstage(ctx, tx.ID, now) // only now may another one be built
	default:
		panic("unknown outcome " + found.Outcome)
	}
}

// confirmed ends a redemption that is solid. One that paid only what there was leaves its cheque
// signed: the rest is due when the poster has money again.
func (s *Settler) confirmed(ctx context.Context, tx orderbook.StagedTx, found escrow.Receipt,
	now time.Time) error {
	s.burnt = found.Fee
	whole, err := s.paid(ctx, tx.Cheque)
	if err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "cheque solid", "cheque", tx.Cheque, "tx", tx.ID, "fee", found.Fee,
		"whole", whole)
	if !whole {
		return s.Book.Unstage(ctx, tx.ID, now)
	}
	return s.Book.SettleTx(ctx, tx.ID, now)
}

// paid says whether all of a cheque was paid out, as of the solid head.
func (s *Settler) paid(ctx context.Context, cheque int64) (bool, error) {
	signed, err := s.Book.Cheque(ctx, cheque)
	if err != nil {
		return false, err
	}
	c := signed.Cheque
	paid, err := s.Vault.Paid(ctx, c.From, c.Mandate, c.To)
	return paid.Cmp(c.Cumulative) >= 0, err
}

// reverted tells a race that was lost from a refusal. Anybody may bring a cheque: when its payee,
// or a newer cheque, was first, there was nothing left to pay and nothing is wrong. When another
// payee was first and took what the poster had, this one waits for more.
func (s *Settler) reverted(ctx context.Context, tx orderbook.StagedTx, found escrow.Receipt,
	now time.Time) error {
	whole, err := s.paid(ctx, tx.Cheque)
	if err != nil {
		return err
	}
	if whole {
		s.Log.InfoContext(ctx, "cheque was redeemed by somebody else", "cheque", tx.Cheque, "tx", tx.ID)
		return s.Book.Unstage(ctx, tx.ID, now)
	}
	if strings.HasPrefix(found.Reason, "OverBalance(") {
		s.Log.InfoContext(ctx, "cheque was not covered", "cheque", tx.Cheque, "tx", tx.ID, "reason",
			found.Reason)
		s.refuse(tx.Cheque, marketplace.Insufficient, now)
		return s.Book.Unstage(ctx, tx.ID, now)
	}
	s.Log.ErrorContext(ctx, "cheque reverted", "cheque", tx.Cheque, "tx", tx.ID, "reason",
		found.Reason)
	return s.Book.MarkReverted(ctx, tx.ID, found.Reason, now)
}

// worth says whether a cheque should be redeemed now: its fee is small beside what it pays, it has
// waited long enough, or its poster is about to withdraw.
func (s *Settler) worth(r orderbook.Redemption, now time.Time) bool {
	rules := s.Book.Rules()
	if r.Thawing || now.Sub(r.SignedAt) >= rules.RedeemAfter.Duration() {
		return true
	}
	burnt := s.burnt
	if burnt == 0 {
		burnt = burntFirst
	}
	if s.TRX.IsZero() || burnt < 0 {
		return false
	}
	fee := s.TRX.MulDiv(uint64(burnt), escrow.Sun)
	pays := r.Cheque.Cumulative.SubFloor(r.Redeemed)
	return fee.Cmp(pays.MulDiv(uint64(rules.RedeemFeeBps), 10_000)) <= 0 // #nosec G115 -- a share of the rules
}

// submit writes a redeeming transaction down and then sends it.
func (s *Settler) submit(ctx context.Context, r orderbook.Redemption, now time.Time) error {
	staged, err := s.build(ctx, r)
	if err != nil {
		s.refuse(r.ID, err, now)
		return err
	}
	err = s.Book.StageTx(ctx, orderbook.StagedTx{ID: staged.ID, Cheque: r.ID, Raw: staged.Raw,
		Expires: staged.Expires}, now)
	if err != nil {
		return err
	}
	delete(s.refused, r.ID)
	s.Log.InfoContext(ctx, "cheque submitted", "cheque", r.ID, "payee", r.Cheque.To, "amount",
		r.Cheque.Cumulative.SubFloor(r.Redeemed), "tx", staged.ID)
	if err := s.Vault.Send(ctx, staged); err != nil {
		s.Log.InfoContext(ctx, "cheque not taken", "tx", staged.ID, "reason", err.Error())
	}
	return nil
}

// refuse lets a cheque rest that cannot be redeemed as things stand.
func (s *Settler) refuse(cheque int64, err error, now time.Time) {
	if errors.Is(err, marketplace.Unavailable) {
		return // not the cheque's fault
	}
	if s.refused == nil {
		s.refused = map[int64]time.Time{}
	}
	s.refused[cheque] = now.Add(rest)
}

// build stages a redemption of all that is due, or of what there is when the poster has withdrawn
// the rest.
func (s *Settler) build(ctx context.Context, r orderbook.Redemption) (escrow.Staged, error) {
	staged, err := s.Vault.BuildRedeem(ctx, s.Key, r.Cheque, r.Signatures)
	if !errors.Is(err, marketplace.Insufficient) {
		return staged, err
	}
	there, failed := s.Vault.Balance(ctx, r.Cheque.From)
	if failed != nil || there.IsZero() {
		return staged, errors.Join(err, failed)
	}
	return s.Vault.BuildRedeemUpTo(ctx, s.Key, r.Cheque, r.Signatures)
}
