package settlement

import (
	"context"
	"fmt"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// reasons are what the causes of the chain mean for a cheque.
var reasons = map[escrow.Cause]marketplace.WaitReason{
	escrow.CauseUncovered: marketplace.WaitUncovered, escrow.CauseCap: marketplace.WaitCap,
	escrow.CauseExpired: marketplace.WaitExpired, escrow.CauseTRX: marketplace.WaitTRX,
	escrow.CauseEnergy: marketplace.WaitEnergy, escrow.CauseTime: marketplace.WaitTime,
	escrow.CauseLie: marketplace.WaitLie, escrow.CauseNode: marketplace.WaitNode,
}

// A cheque that was refused rests longer each time, at most so many times the first rest. What is
// not here is looked at again after the first rest: looking costs nothing.
var patience = map[marketplace.WaitReason]int{
	marketplace.WaitUncovered: 8, marketplace.WaitCap: 64, marketplace.WaitRefused: 64,
	marketplace.WaitEnergy: 64, marketplace.WaitTime: 64,
}

// rest is how long a cheque is left alone after tries in a row found the same reason.
func (s *Settler) rest(reason marketplace.WaitReason, tries int) time.Duration {
	first := s.Rest
	if first == 0 {
		first = restDefault
	}
	return first * time.Duration(max(1, min(1<<min(tries, 10), patience[reason])))
}

// because makes a wait of what was found.
func (s *Settler) because(
	c marketplace.SignedCheque, reason marketplace.WaitReason, detail string, now time.Time,
) marketplace.Wait {
	tries := 0
	if c.Wait != nil && c.Wait.Reason == reason {
		tries = c.Wait.Tries
	}
	return marketplace.Wait{Reason: reason, Detail: detail, RetryAt: now.Add(s.rest(reason, tries))}
}

// failed makes a wait of an error on the way to the chain.
func (s *Settler) failed(c marketplace.SignedCheque, err error, now time.Time) marketplace.Wait {
	reason, known := reasons[escrow.CauseOf(err)]
	if !known {
		reason = marketplace.WaitRefused
	}
	return s.because(c, reason, err.Error(), now)
}

// hold writes down why a cheque does not move on, unless that is what is written there and its
// rest is not over.
func (s *Settler) hold(
	ctx context.Context, c marketplace.SignedCheque, w marketplace.Wait, now time.Time,
) error {
	s.found(w.Reason)
	if old := c.Wait; old != nil && old.Reason == w.Reason {
		if old.Detail == w.Detail && now.Before(old.RetryAt) {
			return nil
		}
	} else {
		s.Log.InfoContext(ctx, "cheque waits", "cheque", c.ID, "reason", w.Reason, "detail", w.Detail,
			"retry", w.RetryAt)
	}
	return s.Book.Hold(ctx, c.ID, w, now)
}

// goOn notes that nothing holds a cheque up any more.
func (s *Settler) goOn(ctx context.Context, tx orderbook.StagedTx, now time.Time) error {
	if tx.Waits == "" {
		return nil
	}
	s.Log.InfoContext(ctx, "cheque goes on", "cheque", tx.Cheque, "tx", tx.ID, "waited", tx.Waits)
	return s.Book.GoOn(ctx, tx.Cheque, now)
}

// nodeDown writes down, for all that is under way or due, that the node does not answer.
func (s *Settler) nodeDown(ctx context.Context, why error, now time.Time) error {
	flying, err := s.Book.InFlight(ctx)
	if err != nil {
		return err
	}
	due, err := s.Book.Redeemable(ctx, chequesMax)
	if err != nil {
		return err
	}
	var all []marketplace.SignedCheque
	for _, tx := range flying {
		c, err := s.Book.Cheque(ctx, tx.Cheque)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	for _, r := range due {
		all = append(all, r.SignedCheque)
	}
	for _, c := range all {
		// A reason that an outage does not change is kept.
		if c.Wait != nil && c.Wait.Reason != marketplace.WaitNode {
			continue
		}
		w := s.because(c, marketplace.WaitNode, why.Error(), now)
		if c.Wait != nil { // the words of an outage differ from call to call; the first ones are kept
			w.Detail = c.Wait.Detail
		}
		if err := s.hold(ctx, c, w, now); err != nil {
			return err
		}
	}
	return nil
}

// An alarm is raised once for a reason that a person should look at, however many cheques have
// it, and taken back when none has.
type alarms struct {
	now, raised map[marketplace.WaitReason]bool
}

func (s *Settler) found(r marketplace.WaitReason) {
	if s.alarms.now == nil {
		s.alarms.now = map[marketplace.WaitReason]bool{}
	}
	s.alarms.now[r] = true
}

// ring raises and takes back alarms after a step has looked at every cheque.
func (s *Settler) ring(ctx context.Context) {
	for r := range s.alarms.now {
		if r.Alarming() && !s.alarms.raised[r] {
			s.Log.ErrorContext(ctx, "cheques wait for a person", "reason", r, "next", r.Next())
		}
	}
	for r := range s.alarms.raised {
		if r.Alarming() && !s.alarms.now[r] {
			s.Log.InfoContext(ctx, "cheques no longer wait for a person", "reason", r)
		}
	}
	s.alarms = alarms{raised: s.alarms.now}
}

// trx writes sun for a person.
func trx(sun int64) string { return fmt.Sprintf("%.2f TRX", float64(sun)/escrow.Sun) }
