package settlement

import (
	"context"
	"errors"
	"fmt"
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
	// restDefault is how long a cheque is left alone that the vault or the node refuses.
	restDefault = time.Minute
)

// redeem carries on with the transactions under way and starts new ones for cheques that are
// worth their fee. A cheque that does not move on has its reason written down.
func (s *Settler) redeem(ctx context.Context, now time.Time) (n int, err error) {
	n, err = s.redeemAll(ctx, now)
	if errors.Is(err, marketplace.Unavailable) && ctx.Err() == nil {
		err = errors.Join(err, s.nodeDown(ctx, err, now))
	}
	s.ring(ctx)
	return n, err
}

func (s *Settler) redeemAll(ctx context.Context, now time.Time) (n int, err error) {
	frozen, err := s.Book.Frozen(ctx)
	if err != nil {
		return 0, err
	}
	flying, err := s.Book.InFlight(ctx)
	if err != nil {
		return 0, err
	}
	s.spending = 0
	for _, tx := range flying {
		s.spending += s.fee() // not in the solid balance of the key yet
		moved, failed := s.carryOn(ctx, tx, frozen, now)
		if moved {
			n++
		}
		if err = errors.Join(err, about(tx.Cheque, failed)); errors.Is(err, marketplace.Unavailable) {
			return n, err
		}
	}
	started, failed := s.start(ctx, frozen, now)
	return n + started, errors.Join(err, failed)
}

// start stages and sends redemptions that are worth their fee.
func (s *Settler) start(ctx context.Context, frozen string, now time.Time) (n int, err error) {
	due, err := s.Book.Redeemable(ctx, chequesMax)
	if err != nil {
		return 0, err
	}
	for _, r := range due {
		why, failed := s.holdsUp(r, frozen, now), error(nil)
		if why == nil {
			why, failed = s.submit(ctx, r, now)
		}
		switch {
		case failed != nil:
		case why != nil:
			failed = s.hold(ctx, r.SignedCheque, *why, now)
		default:
			n++
		}
		if err = errors.Join(err, about(r.ID, failed)); errors.Is(err, marketplace.Unavailable) {
			return n, err
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

// holdsUp says what holds a cheque up before anything is asked of the chain.
func (s *Settler) holdsUp(
	r orderbook.Redemption, frozen string, now time.Time,
) *marketplace.Wait {
	if frozen != "" {
		w := s.because(r.SignedCheque, marketplace.WaitFrozen, frozen, now)
		return &w
	}
	if w := r.Wait; w != nil && now.Before(w.RetryAt) && w.Reason != marketplace.WaitSmall &&
		w.Reason != marketplace.WaitFrozen {
		return w // it rests
	}
	return s.small(r, now)
}

// carryOn does the next thing for a transaction that was written down. After a crash it is
// the recovery, and it is the normal path.
func (s *Settler) carryOn(ctx context.Context, tx orderbook.StagedTx, frozen string,
	now time.Time) (moved bool, err error) {
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
	if found.Outcome == escrow.Pending || found.Outcome == escrow.Included {
		s.found(tx.Waited.Reason) // only its outcome tells whether that is over: an alarm stays until then
	}
	switch found.Outcome {
	case escrow.Pending:
		return false, s.send(ctx, tx, frozen, now)
	case escrow.Included:
		if err := s.goOn(ctx, tx, now); err != nil || tx.State == "included" {
			return false, err
		}
		return true, s.Book.MarkIncluded(ctx, tx.ID, now)
	case escrow.Confirmed:
		return true, s.confirmed(ctx, tx, found, now)
	case escrow.Reverted:
		return true, s.reverted(ctx, tx, found, now)
	case escrow.Lapsed:
		s.Log.InfoContext(ctx, "cheque lapsed", "cheque", tx.Cheque, "tx", tx.ID)
		return true, s.Book.Unstage(ctx, tx.ID, nil, now) // only now may another one be built
	default:
		panic("unknown outcome " + found.Outcome)
	}
}

// send sends what was written down, the same bytes as ever, and writes down why it was not taken
// when it was not. Whether it arrived is not for the answer to say: the next outcome does.
func (s *Settler) send(
	ctx context.Context, tx orderbook.StagedTx, frozen string, now time.Time,
) error {
	var why marketplace.Wait
	c, err := s.Book.Cheque(ctx, tx.Cheque)
	if err != nil {
		return err
	}
	if frozen != "" {
		why = s.because(c, marketplace.WaitFrozen, frozen, now)
	} else if err := s.Vault.Send(ctx, escrow.Staged{ID: tx.ID, Raw: tx.Raw}); err != nil {
		why = s.failed(c, err, now)
	} else {
		return s.goOn(ctx, tx, now)
	}
	// It is sent again at each step until its time is over; then another one is built.
	why.RetryAt = later(now, tx.Expires)
	return s.hold(ctx, c, why, now)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
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
		return s.Book.Unstage(ctx, tx.ID, nil, now)
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
// or a newer cheque, was first, there was nothing left to pay and nothing is wrong. Else the
// cheque waits for what it lacks; what nobody expected is for a person.
func (s *Settler) reverted(ctx context.Context, tx orderbook.StagedTx, found escrow.Receipt,
	now time.Time) error {
	whole, err := s.paid(ctx, tx.Cheque)
	if err != nil {
		return err
	}
	if whole {
		s.Log.InfoContext(ctx, "cheque was redeemed by somebody else", "cheque", tx.Cheque, "tx", tx.ID)
		return s.Book.Unstage(ctx, tx.ID, nil, now)
	}
	c, err := s.Book.Cheque(ctx, tx.Cheque)
	if err != nil {
		return err
	}
	if c.Wait == nil { // it went on when it was tried again, and its rest grows with what came of that
		c.Wait = &tx.Waited
	}
	reason, known := reasons[found.Cause]
	if !known {
		why := s.because(c, marketplace.WaitRefused, found.Reason, now)
		s.found(why.Reason)
		s.Log.ErrorContext(ctx, "cheque reverted", "cheque", tx.Cheque, "tx", tx.ID, "reason",
			found.Reason)
		return s.Book.MarkReverted(ctx, tx.ID, why, now)
	}
	why := s.because(c, reason, found.Reason, now)
	if reason == marketplace.WaitEnergy || reason == marketplace.WaitTime {
		why = s.burntOut(why, found)
	}
	s.Log.InfoContext(ctx, "cheque came to nothing", "cheque", tx.Cheque, "tx", tx.ID, "reason",
		why.Reason, "detail", why.Detail)
	s.found(why.Reason)
	return s.Book.Unstage(ctx, tx.ID, &why, now)
}

// burntOut asks for twice the fee that was not enough, within the limit of a transaction. A node
// that ran out of time would burn a higher one as well.
func (s *Settler) burntOut(why marketplace.Wait, found escrow.Receipt) marketplace.Wait {
	if found.Cause == escrow.CauseEnergy {
		why.FeeMax = min(2*found.Fee, s.Vault.FeeLimit())
	}
	why.Detail = fmt.Sprintf("%s after burning %s; a transaction may burn %s", found.Reason,
		trx(found.Fee), trx(s.Vault.FeeLimit()))
	return why
}

// small says why a cheque is not worth its fee yet, or nothing: it is redeemed when its fee is small
// beside what it pays, when it has waited long enough, or when its poster or its mandate is
// about to go.
func (s *Settler) small(r orderbook.Redemption, now time.Time) *marketplace.Wait {
	rules := s.Book.Rules()
	latest := r.SignedAt.Add(rules.RedeemAfter.Duration())
	if last := r.Expires.Add(-rules.Notice.Duration()); !r.Expires.IsZero() && last.Before(latest) {
		latest = last
	}
	if r.Thawing || !now.Before(latest) {
		return nil
	}
	burnt := s.fee()
	due := r.Cheque.Cumulative.SubFloor(r.Redeemed)
	w := marketplace.Wait{Reason: marketplace.WaitSmall, RetryAt: latest}
	if s.TRX.IsZero() {
		w.Detail = fmt.Sprintf("%s BTT are due; what the fee of about %s is worth in BTT is not known",
			due, trx(burnt))
		return &w
	}
	fee := s.TRX.MulDiv(uint64(burnt), escrow.Sun)
	share := uint64(rules.RedeemFeeBps) // #nosec G115 -- a share of the rules
	if fee.Cmp(due.MulDiv(share, 10_000)) <= 0 {
		return nil
	}
	w.Detail = fmt.Sprintf("%s BTT are due; the fee of about %s is worth %s BTT, more than %g %% of it",
		due, trx(burnt), fee, float64(share)/100)
	return &w
}

// fee is about what a redemption burns, in sun.
func (s *Settler) fee() int64 {
	if s.burnt > 0 {
		return s.burnt
	}
	return burntFirst
}

// submit writes a redeeming transaction down and then sends it, or says why it cannot.
func (s *Settler) submit(
	ctx context.Context, r orderbook.Redemption, now time.Time,
) (*marketplace.Wait, error) {
	staged, err := s.build(ctx, r)
	if err == nil {
		err = s.Vault.Afford(ctx, s.Key.Address(), s.spending+staged.Fee)
	}
	if escrow.CauseOf(err) == escrow.CauseNothing {
		return nil, nil // somebody else redeemed it: the ledger learns of it when that is solid
	}
	if err != nil && !errors.Is(err, marketplace.Unavailable) {
		w := s.failed(r.SignedCheque, err, now)
		return &w, nil
	}
	if err != nil {
		return nil, err
	}
	tx := orderbook.StagedTx{ID: staged.ID, Cheque: r.ID, Raw: staged.Raw, Expires: staged.Expires}
	if err := s.Book.StageTx(ctx, tx, now); err != nil {
		return nil, err
	}
	if r.Wait != nil {
		s.found(r.Wait.Reason)
	}
	s.spending += staged.Fee
	s.Log.InfoContext(ctx, "cheque submitted", "cheque", r.ID, "payee", r.Cheque.To, "amount",
		r.Cheque.Cumulative.SubFloor(r.Redeemed), "tx", staged.ID)
	return nil, s.send(ctx, tx, "", now)
}

// build stages a redemption of all that is due, or of what there is when the poster has withdrawn
// the rest, or other cheques drew it.
func (s *Settler) build(ctx context.Context, r orderbook.Redemption) (escrow.Staged, error) {
	vault := s.Vault.FeeAtLeast(r.FeeMax)
	staged, err := vault.BuildRedeem(ctx, s.Key, r.Cheque, r.Signatures)
	if c := escrow.CauseOf(err); err == nil || c != escrow.CauseUncovered && c != escrow.CauseCap {
		return staged, err
	}
	return vault.BuildRedeemUpTo(ctx, s.Key, r.Cheque, r.Signatures)
}
